"""Builds with one defence taken away: a patch, a copy of the source, and the tests that must notice.

A patch is a unified diff against the repository, with lines like these before the first `diff` or `---` line:

    Defence: RFC 7636 §4.6, the verifier is compared with the challenge.
    Fails: tests/attacks/test_PK_pkce.py::test_pk_03_a_wrong_verifier_redeems_nothing
    Fails: tests/unit/oauth/test_pkce.py::test_another_verifier_does_not_match

Make one with `git diff` after breaking the source by hand, and put the head above it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.broken import guard

ROOT = Path(__file__).resolve().parents[2]
TEST_RUN_SECONDS = 180


class PatchRefusedError(RuntimeError):
    """The patch has no head, or does not apply to today's source."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """One defence that a patch takes away, and the tests that must then fail."""

    patch: Path
    defence: str
    tests: tuple[str, ...]

    @classmethod
    def read(cls, patch: Path) -> Break:
        """Read the head of a patch file."""
        head: dict[str, list[str]] = {"Defence": [], "Fails": []}
        for line in patch.read_text(encoding="utf-8").splitlines():
            if line.startswith(("diff ", "--- ")):
                break
            word, _, rest = line.partition(":")
            if word in head:
                head[word].append(rest.strip())
        if not head["Defence"] or not head["Fails"]:
            raise PatchRefusedError(f"{patch.name}: the head needs `Defence:` and `Fails:` lines")
        return cls(patch=patch, defence=head["Defence"][0], tests=tuple(head["Fails"]))


def build(broken: Break, source: Path, target: Path) -> Path:
    """Copy `source` (a folder with `src`), apply the patch there, answer the folder to import from."""
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "src", target / "src", ignore=left_out)
    # A folder inside a work tree would make git look for the patch's paths there.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(target.parent), "GIT_DIR": os.devnull}
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(broken.patch.resolve())],
        cwd=target,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PatchRefusedError(f"{broken.patch.name} no longer applies: {done.stderr.strip()}")
    return target / "src"


def outcomes_on(
    build_folder: Path, tests: tuple[str, ...], report: Path, root: Path = ROOT
) -> dict[str, str]:
    """Run the named tests on a build in a process of its own and answer the outcome of each."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        "PYTHONPATH": os.pathsep.join([str(build_folder), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        guard.BUILD: str(build_folder),
        guard.REPORT: str(report),
    }
    options = ["-q", "-p", "tests.broken.guard", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TEST_RUN_SECONDS,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise PatchRefusedError(f"the tests did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, str] = json.loads(report.read_text(encoding="utf-8"))
    return found


def unnoticed(tests: tuple[str, ...], outcomes: dict[str, str]) -> list[str]:
    """The named tests that did not fail; of a parametrised test or a class, one failing case is enough."""
    return [test for test in tests if "failed" not in cases_of(test, outcomes)]


def cases_of(test: str, outcomes: dict[str, str]) -> set[str]:
    """Outcomes of a test's cases: itself, its parameters, or what a class or module holds."""
    return {
        outcome
        for name, outcome in outcomes.items()
        if name == test or name.startswith((f"{test}[", f"{test}::"))
    }
