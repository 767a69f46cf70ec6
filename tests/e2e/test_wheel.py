"""README, "Add login to your app", from the built wheel in a fresh environment and an empty folder, timed."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.pasted import Pasted, a_free_port, output_of, paste, running_app, sign_in
from tests.e2e.programs import a_dev_server

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "requirements"
# What the first lines of the snippet say to install.
OF_THE_SNIPPET = ("fastapi", "uvicorn", "authlib", "httpx", "itsdangerous")

pytestmark = [pytest.mark.e2e, pytest.mark.wheel]


def test_login_is_added_to_an_app_from_the_wheel_alone(tmp_path: Path) -> None:
    began = time.monotonic()
    python = fresh_environment(tmp_path)
    installed = time.monotonic()
    innkeeper = [str(python.with_name("innkeeper"))]
    with a_dev_server(tmp_path / "shop" / ".innkeeper", command=innkeeper) as dev:
        port = a_free_port()
        words = ["app", "create", "my-site", "--type", "regular_web"]
        callback = f"http://localhost:{port}/auth/callback"
        printed = output_of([*innkeeper, *words, "--callback", callback], cwd=tmp_path / "shop")
        folder = tmp_path / "shop" / "site"
        paste(folder, Pasted(printed), "FastAPI")
        command = [str(python), "-m", "uvicorn", "main:app", "--port", str(port)]
        with running_app(command, folder, port):
            shown = sign_in(f"http://localhost:{port}/", "erin", dev.person("erin")["password"])
    assert shown == "Hello Erin Ellis!"
    signed_in = time.monotonic()
    print(
        f"wheel built and installed in {installed - began:.1f} s, issuer, app and sign-in in"
        f" {signed_in - installed:.1f} s"
    )


def fresh_environment(folder: Path) -> Path:
    """Its Python. Everything but the wheel comes hash-pinned, through the installer's ordinary cache."""
    uv = [sys.executable, "-m", "uv"]
    output_of(
        [*uv, "build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(folder)], cwd=ROOT
    )
    (wheel,) = folder.glob("innkeeper-*.whl")
    output_of([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")])
    python = folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
    output_of([*install, "--require-hashes", "-r", str(PINS / "core.txt")])
    output_of([*install, "--require-hashes", "-r", str(pins_of_the_snippet(folder))])
    output_of([*install, "--no-deps", str(wheel)])
    return python


def pins_of_the_snippet(folder: Path) -> Path:
    """The part of dev.txt that these packages need, each with its hashes."""
    blocks = re.findall(
        r"^[a-z0-9][^\n]*\\\n(?:[ ]{4}[^\n]*\n)+", (PINS / "dev.txt").read_text("utf-8"), re.MULTILINE
    )
    by_name = {re.split(r"[=<>\[ ;]", block, maxsplit=1)[0]: block for block in blocks}
    # A comment below each pin says who asked for it: follow those lines from the packages down.
    asked_by = {
        name: set(re.findall(r"#\s+(?:via )?([a-z0-9-]+)$", block, re.MULTILINE))
        for name, block in by_name.items()
    }
    wanted: set[str] = set(OF_THE_SNIPPET)
    while more := {name for name, asking in asked_by.items() if asking & wanted} - wanted:
        wanted |= more
    file = folder / "snippet.txt"
    file.write_text("".join(by_name[name] for name in sorted(wanted)), encoding="utf-8")
    return file
