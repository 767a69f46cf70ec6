"""The pinned npm packages of the browser tests, fetched once per lock file with npm's ordinary client."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent / "npm"
FETCH_SECONDS = 180


class FetchFailedError(RuntimeError):
    """npm could not fetch the packages; the message holds npm's own words."""


def fetched(npm: Path) -> Path:
    """Answer the `node_modules` folder that holds exactly what the lock file says.

    Packages are checked against their integrity and none of their scripts run. Test processes that ask at the
    same time wait for the first one.
    """
    modules = FOLDER / "node_modules"
    stamp = modules / ".fetched"
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    with (FOLDER / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text(encoding="ascii") == wanted):
            fetch(npm)
            stamp.write_text(wanted, encoding="ascii")
    return modules


def fetch(npm: Path) -> None:
    """Replace `node_modules` by what the lock file names."""
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        [npm, "ci", *options], cwd=FOLDER, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
    )
    if done.returncode:
        raise FetchFailedError(f"npm ci failed: {done.stderr.strip()[-1000:]}")


def bundled(modules: Path, script: str, target: Path) -> Path:
    """Bundle an entry script that imports fetched packages into one file that a page can load."""
    done = subprocess.run(
        [modules / ".bin" / "esbuild", "--bundle", "--format=iife", f"--outfile={target}"],
        input=script,
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise FetchFailedError(f"esbuild failed: {done.stderr.strip()[:1000]}")
    return target
