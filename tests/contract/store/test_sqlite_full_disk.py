"""The disk is full or read-only: writes fail whole, reads go on, and its end is all that is needed to recover."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from innkeeper.server.storage.outcomes import Done, Redeemed, StoreUnavailable
from innkeeper.server.storage.sqlite import SqliteStore
from tests.contract.store.builders import LATER_THAN_ALL, World


class NarrowFile(apsw.VFSFile):
    """A file on a disk on which the log finds no more room than this, wherever it is."""

    def __init__(self, disk: NarrowDisk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xWrite(self, data: Any, offset: int) -> None:
        if self._is_log and offset + len(data) > self._disk.room:
            self._disk.refused += 1
            raise apsw.FullError("no room left for the log")
        super().xWrite(data, offset)

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """The failures are meant."""
        return True


class NarrowDisk(apsw.VFS):
    """The default of every connection while it is in use."""

    def __init__(self, room: int) -> None:
        super().__init__("narrow", "unix", makedefault=True)
        self.room = room
        self.refused = 0

    def xOpen(self, name: Any, flags: list[int]) -> NarrowFile:
        return NarrowFile(self, name, flags)


@pytest.fixture
def narrow_disk() -> Iterator[NarrowDisk]:
    disk = NarrowDisk(room=400_000)
    yield disk
    disk.unregister()


class ReadOnlyDisk(apsw.VFS):
    """While it `is_read_only`, nothing can be written, and what is opened can only be read."""

    def __init__(self) -> None:
        super().__init__("read-only", "unix", makedefault=True)
        self.is_read_only = False

    def xOpen(self, name: Any, flags: list[int]) -> ReadOnlyFile:
        if self.is_read_only:
            flags[0] &= ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            flags[0] |= apsw.SQLITE_OPEN_READONLY
        return ReadOnlyFile(self, name, flags)


class ReadOnlyFile(apsw.VFSFile):
    """Of a disk that may turn read-only while it is open."""

    def __init__(self, disk: ReadOnlyDisk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xWrite(self, data: Any, offset: int) -> None:
        if self._disk.is_read_only:
            raise apsw.IOError("the file system is read-only")
        super().xWrite(data, offset)

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """The failures are meant."""
        return True


@pytest.fixture
def read_only_disk() -> Iterator[ReadOnlyDisk]:
    disk = ReadOnlyDisk()
    yield disk
    disk.unregister()


def pages(database: Path) -> int:
    other = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    count: int = other.execute("PRAGMA page_count").get
    other.close()
    return count


@pytest.mark.parametrize("spare_pages", [0, 1, 5, 40])
async def test_a_full_disk_leaves_nothing_half_done(
    sqlite_world: World, database: Path, spare_pages: int
) -> None:
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    earlier, _ = await sqlite_world.issued()
    store.limit_pages(pages(database) + spare_pages)
    done = failed = 0
    while not failed:
        pairs = [sqlite_world.authorization() for _ in range(32)]
        runs = (sqlite_world.issue(code, grant) for code, grant in pairs)
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        for (code, grant), outcome in zip(pairs, outcomes, strict=True):
            is_there = await store.codes.read(code.key) is not None
            assert is_there == (outcome == Done())
            assert (await store.grants.standing(grant.grant_id) is not None) == is_there
            assert outcome == Done() or isinstance(outcome, StoreUnavailable)
            done, failed = done + is_there, failed + (not is_there)
    assert await sqlite_world.audit("code.issued") == done + 1
    with pytest.raises(StoreUnavailable):
        for _ in range(200):
            await sqlite_world.issued()
    with pytest.raises(StoreUnavailable):
        await store.probe()
    assert await store.codes.read(earlier.key) is not None
    assert (await store.registry.snapshot()).epoch > 0

    store.limit_pages(None)
    await store.probe()
    assert await sqlite_world.issue(*sqlite_world.authorization()) == Done()
    assert await sqlite_world.redeem(earlier) == Redeemed()


async def test_a_purge_makes_room_on_a_full_disk(sqlite_world: World, database: Path) -> None:
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    await asyncio.gather(*(sqlite_world.issued() for _ in range(200)))
    store.limit_pages(pages(database))
    with pytest.raises(StoreUnavailable):
        for _ in range(200):
            await sqlite_world.issued()
    assert await store.purge(now=LATER_THAN_ALL, limit=1000) > 0
    await store.probe()
    assert await sqlite_world.issue(*sqlite_world.authorization()) == Done()


async def test_a_disk_that_the_log_has_filled_is_no_dead_end(
    narrow_disk: NarrowDisk, sqlite_world: World
) -> None:
    done = failed = in_a_row = 0
    while narrow_disk.refused < 3:
        outcome = await asyncio.gather(sqlite_world.issued(), return_exceptions=True)
        is_done = not isinstance(outcome[0], BaseException)
        assert is_done or isinstance(outcome[0], StoreUnavailable)
        done, failed = done + is_done, failed + (not is_done)
        in_a_row = 0 if is_done else in_a_row + 1
        assert in_a_row < 10, f"nothing is written any more after {done}, though the database itself may grow"
    assert await sqlite_world.audit("code.issued") == done
    assert done > 20


async def test_a_disk_that_was_read_only_is_written_again(
    read_only_disk: ReadOnlyDisk, sqlite_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await sqlite_world.issued()
    read_only_disk.is_read_only = True
    try:
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await sqlite_world.issued()
    finally:
        read_only_disk.is_read_only = False
    assert "its file system is read-only" in caplog.text
    await sqlite_world.issued()
