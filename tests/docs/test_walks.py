"""Pages that can be followed by pasting: their shell blocks run, in order, in one shell, as they are printed."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from innkeeper.server.cli import snippet
from tests.docs import commands
from tests.docs.pages import ROOT, Block, blocks_of
from tests.e2e.programs import Running, a_dev_server, environment, innkeeper

WALKS = (
    "README.md",
    "docs/apps.md",
    "docs/apis.md",
    "docs/tokens.md",
    "docs/errors.md",
    "docs/devices.md",
    "docs/flows.md",
    "docs/sign-in.md",
)
# What the page itself starts its issuer with.
STARTED_WITH = {"docs/flows.md": ("--port", "0", "--legacy")}
# These wait for Ctrl-C or fetch packages; tests/e2e starts the same things.
NOT_PASTED = re.compile(
    r"^(innkeeper (dev|serve|init)\b|python3 run\.py (dev|test)\b|\.venv-|uvicorn )"
    r"|^(python3 -m venv |\. \.venv/|pip install )"
)
MARK = "=== block "

pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reader's folder: with a shell that finds `innkeeper`, as after `pip install`."""
    program = tmp_path / "bin" / "innkeeper"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m innkeeper "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


@contextmanager
def sample_api(issuer: str, folder: Path) -> Generator[str]:
    """The API of the examples on a free port, and its address."""
    command = [sys.executable, "-m", "examples.timesheets_api", "--issuer", issuer, "--port", "0"]
    command += ["--data", str(folder / "timesheets.sqlite")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://localhost:\d+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.terminate()


def script_of(page: Path, issuer: str, api: str) -> str:
    """What a reader pastes, with the ports of this run."""
    lines = ["set -e"]
    for block in blocks_of(page):
        if block.language == "sh":
            lines += [f"echo '{MARK}{block.line}'", *pasted(block)]
    text = "\n".join(lines) + "\n"
    return text.replace("http://localhost:9000", issuer).replace("http://localhost:9001", api)


def pasted(block: Block) -> list[str]:
    kept = [line for line in block.text.splitlines() if not NOT_PASTED.match(line)]
    names = "|".join(commands.names())
    return [re.sub(rf"^python3 run\.py (?=({names})\b)", "innkeeper ", line) for line in kept]


def outputs(printed: str) -> dict[int, list[str]]:
    """What each block printed, by its line in the page."""
    found: dict[int, list[str]] = {}
    for part in printed.replace("\r", "").split(MARK)[1:]:
        number, _, text = part.partition("\n")
        found[int(number)] = text.splitlines()
    return found


def follow(page: Path, house: Running, folder: Path) -> dict[int, list[str]]:
    bash, curl = shutil.which("bash"), shutil.which("curl")
    if bash is None or curl is None:
        pytest.skip("bash and curl are not installed (on Debian: apt-get install curl)")
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    readable = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with sample_api(house.issuer, folder) as api:
        done = subprocess.run(
            [bash, "-c", script_of(page, house.issuer, api)],
            cwd=folder,
            env=environment(PATH=path, NO_PROXY="*", PYTHONPATH=readable),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    printed = done.stdout.replace(house.issuer, "http://localhost:9000").replace(api, "http://localhost:9001")
    return outputs(printed)


def is_shown(expected: str, printed: list[str]) -> bool:
    """`…` stands for anything."""
    pattern = ".*".join(map(re.escape, expected.split("…")))
    return any(re.fullmatch(pattern, line) for line in printed)


@pytest.mark.parametrize("name", WALKS)
def test_a_page_works_as_it_is_printed(name: str, folder: Path) -> None:
    page = ROOT / name
    with a_dev_server(folder / ".innkeeper", *STARTED_WITH.get(name, ())) as house:
        printed = follow(page, house, folder)
    last = 0
    for block in blocks_of(page):
        if block.language == "sh":
            last = block.line
        elif block.language == "output":
            missing = [line for line in block.text.splitlines() if not is_shown(line, printed[last])]
            assert missing == [], f"{block.name}\n" + "\n".join(printed[last])


def test_the_walk_of_the_readme_meets_every_answer_of_an_api() -> None:
    shown = [block.text for block in blocks_of(ROOT / "README.md") if block.language == "output"]
    assert [status for text in shown for status in re.findall(r"HTTP/1.1 (\d+)", text)] == [
        "200",
        "403",
        "401",
    ]
    assert any('error="insufficient_scope"' in text for text in shown)


def test_the_program_in_the_readme_is_the_one_that_app_create_prints(folder: Path) -> None:
    with a_dev_server(folder / ".innkeeper") as house:
        printed = innkeeper("app", "create", "my-site", "--type", "regular_web", data=house.data).stdout
        issuer = house.issuer
    program, env = (next(of_language(language)).text for language in ("python", "env"))
    assert program in printed.replace(issuer, "http://localhost:9000")
    names = [line.partition("=")[0] for line in env.splitlines()]
    assert [name for name in names if f"\n{name}=" not in f"\n{printed}"] == []
    # What is installed and started is what the program says at its head.
    commands_shown = "".join(block.text for block in of_language("sh"))
    head = [line.removeprefix("# ").split("        ")[0] for line in program.splitlines()[1:3]]
    assert [line for line in head if line not in commands_shown] == []
    assert snippet.DEFAULT_CALLBACKS["regular_web"][0] in program


def of_language(language: str) -> Generator[Block]:
    yield from (block for block in blocks_of(ROOT / "README.md") if block.language == language)


def test_an_output_that_differs_is_noticed() -> None:
    assert is_shown("a…c", ["abbc"])
    assert not is_shown("a…c", ["abbd"])
    assert not is_shown("HTTP/1.1 200 OK", ["HTTP/1.1 201 Created"])
