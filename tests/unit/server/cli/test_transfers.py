"""The bar of a transfer, and the addresses that `migrate-db` takes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.cli.migrate_db import place
from innkeeper.server.cli.transfer_progress import shown


class Terminal(io.StringIO):
    """A person is looking."""

    def isatty(self) -> bool:
        return True


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Called by the test itself: what a fixture puts there, pytest takes away before the test begins."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


def test_a_person_sees_a_bar_for_each_pass_through_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    with shown(1000) as tell:
        for what in ("Copying", "Checking", "Checking"):
            for table in ("grants", "users"):
                tell(what, table, 500)
    printed = terminal.getvalue()
    assert "Copying" in printed and "users" in printed
    assert "1000/1000" in printed
    last = printed[printed.rindex("Copying") :]
    assert last.count("Checking") == 2
    assert "1500" not in printed


def test_nobody_sees_anything_in_a_log_and_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with shown(1000) as tell:
        tell("Copying", "grants", 500)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with shown(1000) as tell:
        tell("Copying", "grants", 500)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://one:secret@db/x",
        "postgres://one:@db/x",
        "postgresql://one:se@cret@db/x",
        "postgresql://db/x?user=one&password=secret",
        "postgresql://db/x?sslpassword=secret",
    ],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CommandFailed, match="PGPASSWORD") as refused:
        place(text)
    assert "secret" not in str(refused.value)


def test_a_file_and_its_folder_are_the_same_address(tmp_path: Path) -> None:
    assert place(f"sqlite://{tmp_path}") == tmp_path / "innkeeper.sqlite3"
    assert place(f"sqlite://{tmp_path}/other.file") == tmp_path / "other.file"
    assert place("postgresql://one@a,b/x?target_session_attrs=primary").startswith("postgresql://")  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["", "innkeeper.sqlite3", "sqlite://", "mysql://db/x", "sqlite:x"])
def test_what_is_no_address_is_refused_with_the_two_that_are(text: str) -> None:
    with pytest.raises(CommandFailed, match="sqlite:// or postgresql://"):
        place(text)
