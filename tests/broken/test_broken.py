"""Every defence is guarded: with it taken out of a copy of the source, the tests named in the patch fail.

The ordinary run takes three patches at random; `python3 run.py test --broken` takes all of them. How a
patch is written stands in `build.py`.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.broken.build import ROOT, Break, build, outcomes_on, unnoticed

PATCHES = sorted(Path(__file__).parent.glob("*.patch"))
SAMPLE = 3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All patches are cases; those outside this run's sample carry the marker of the on-demand run."""
    if "patch" not in metafunc.fixturenames:
        return
    if metafunc.config.getoption("broken"):
        sample = []
    else:
        order = random.Random(metafunc.config.option.seed)
        sample = order.sample(PATCHES, min(SAMPLE, len(PATCHES)))
    metafunc.parametrize(
        "patch",
        [
            pytest.param(path, id=path.stem, marks=() if path in sample else pytest.mark.broken)
            for path in PATCHES
        ],
    )


def test_a_build_without_this_defence_is_caught(patch: Path, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed, so patches cannot be applied")
    broken = Break.read(patch)
    folder = build(broken, ROOT, tmp_path)
    outcomes = outcomes_on(folder, broken.tests, tmp_path / "outcomes.json")
    assert unnoticed(broken.tests, outcomes) == [], f"nobody noticed: {broken.defence} ({outcomes})"
