"""Loading the operator's hooks: what can be taken, and what to do about what cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from innkeeper.server.cli import hooks_file
from innkeeper.server.cli.failure import CommandFailed

GOOD = "async def pre_token(request):\n    return None\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "hooks.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_functions_of_the_file_are_taken(tmp_path: Path) -> None:
    assert hooks_file.load(written(tmp_path, GOOD)).pre_token is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "defines none of: pre_token"),
        ("def pre_token(request):\n    return None\n", "async def pre_token"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("def (", "SyntaxError"),
    ],
)
def test_what_cannot_be_taken_is_said_at_the_start(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CommandFailed, match="`hooks`") as refused:
        hooks_file.load(written(tmp_path, text))
    assert said in str(refused.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is not a Python file"):
        hooks_file.load(tmp_path / "nowhere.py")
