"""The log is moved into the database beside the writer: commits go on meanwhile, up to a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import apsw
import pytest

from innkeeper.server.storage.outcomes import Done
from innkeeper.server.storage.sqlite import SqliteStore, checkpointer, open_store
from tests.contract.store.builders import a_client

PATIENCE_S = 10.0


class SlowFile(apsw.VFSFile):
    """Who copies the log into the database on another thread than the writer's waits at the gate."""

    def __init__(self, disk: SlowDisk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._is_database = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)

    def xWrite(self, data: Any, offset: int) -> None:
        if self._is_database and current_thread().name == "innkeeper-sqlite-checkpoints":
            self._disk.is_copying.set()
            self._disk.gate.wait(PATIENCE_S)
            if self._disk.fails:
                raise apsw.IOError("the disk was told to fail")
        super().xWrite(data, offset)

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """The failures are meant."""
        return True


class SlowDisk(apsw.VFS):
    """The default of every connection while it is in use."""

    def __init__(self) -> None:
        super().__init__("slow", "unix", makedefault=True)
        self.gate = Event()
        self.is_copying = Event()
        self.fails = False

    def xOpen(self, name: Any, flags: list[int]) -> SlowFile:
        return SlowFile(self, name, flags)


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.gate.set()
    disk.unregister()


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pages the log had after each commit; it is moved after few."""
    seen: list[int] = []
    hook = checkpointer.Checkpointer.after_commit

    def after_commit(self: Any, connection: apsw.Connection, name: str, pages: int) -> int:
        seen.append(pages)
        return hook(self, connection, name, pages)

    monkeypatch.setattr(checkpointer.Checkpointer, "after_commit", after_commit)
    monkeypatch.setattr(checkpointer, "EVERY_PAGES", 50)
    monkeypatch.setattr(checkpointer, "AT_MOST_PAGES", 400)
    return seen


@pytest.fixture
async def store(disk: SlowDisk, lengths: list[int], tmp_path: Path) -> Any:
    store = open_store(tmp_path / "innkeeper.sqlite")
    yield store
    disk.gate.set()
    await store.close()


async def create(store: SqliteStore, name: str) -> None:
    assert await store.clients.create(a_client(name), events=()) == Done()


async def until_copying(store: SqliteStore, disk: SlowDisk) -> None:
    for number in range(1000):
        if disk.is_copying.is_set():
            return
        await create(store, f"before-{number}")
    raise AssertionError("nobody moves the log")


async def test_commits_go_on_while_the_log_is_moved_and_then_it_begins_anew(
    store: SqliteStore, disk: SlowDisk, lengths: list[int]
) -> None:
    await until_copying(store, disk)
    begun = max(lengths)
    # Here and below fewer than make the other thread move the log once more.
    for number in range(5):
        await create(store, f"meanwhile-{number}")
    assert max(lengths) > begun, "the log goes on growing"
    disk.gate.set()
    while not store._handle._checkpointer._is_at_rest.is_set():
        await asyncio.sleep(0.01)
    for number in range(5):
        await create(store, f"after-{number}")
    assert lengths[-1] < begun, "the log did not begin anew"


async def test_a_log_that_grows_faster_than_it_is_moved_makes_commits_wait(
    store: SqliteStore, disk: SlowDisk, lengths: list[int]
) -> None:
    await until_copying(store, disk)
    waiting = None
    while waiting is None and lengths[-1] < 2 * checkpointer.AT_MOST_PAGES:
        creating = asyncio.ensure_future(create(store, f"more-{len(lengths)}"))
        if not (await asyncio.wait({creating}, timeout=1.0))[0]:
            waiting = creating
    assert waiting is not None, "nothing bounds the log"
    disk.gate.set()
    await waiting
    await create(store, "the last one")


async def test_a_log_that_cannot_be_moved_is_told_and_moved_later(
    store: SqliteStore, disk: SlowDisk, lengths: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    disk.fails = True
    disk.gate.set()
    await until_copying(store, disk)
    while "could not be moved" not in caplog.text:
        await create(store, f"failing-{len(lengths)}")
    longest = max(lengths)
    disk.fails = False
    for _ in range(1000):
        await create(store, f"healed-{len(lengths)}")
        if lengths[-1] < longest:
            return
    raise AssertionError("it was never tried again")
