"""The wheel holds everything that runs: modules, templates, styles, compiled locales, migrations, licence."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "src" / "innkeeper"


@pytest.mark.wheel
def test_every_file_of_the_source_is_in_the_wheel(tmp_path: Path) -> None:
    options = ["--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "uv", "build", *options], cwd=ROOT, check=True, timeout=60)
    (wheel,) = tmp_path.glob("innkeeper-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    files = {
        path.relative_to(HOUSE.parent).as_posix()
        for path in HOUSE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - held == set()
    suffixes = {Path(name).suffix for name in held}
    assert {".py", ".typed", ".html", ".css", ".mo", ".sql"} <= suffixes
    assert any(name.endswith("licenses/LICENSE") for name in held)
