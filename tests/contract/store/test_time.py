"""What a store knows of the time: its own clock, and when the last commit was."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.sqlite import SqliteStore, open_store
from tests.contract.store.builders import NOW, a_client

SECOND = timedelta(seconds=1)


class Ticking:
    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        return self.instant


async def commit(store: SqliteStore, name: str) -> None:
    await store.clients.create(a_client(name), events=())


async def test_embedded_stores_have_no_clock_of_their_own(sqlite_store: SqliteStore) -> None:
    for store in (sqlite_store, MemoryStore()):
        assert await store.time() is None
        assert await store.last_commit_at() is None


async def test_no_commit_was_later_than_the_file_says(sqlite_store: SqliteStore) -> None:
    ticking = Ticking()
    sqlite_store.keep_time(ticking.now)
    for number, passed_ms in enumerate((0, 300, 600, 900, 10, 3_600_000, 5, 999, 1)):
        ticking.instant += timedelta(milliseconds=passed_ms)
        await commit(sqlite_store, f"app-{number}")
        last = await sqlite_store.last_commit_at()
        assert last is not None
        assert ticking.instant <= last <= ticking.instant + SECOND


async def test_what_the_file_says_outlives_the_process(database: Path) -> None:
    ticking = Ticking()
    store = open_store(database)
    store.keep_time(ticking.now)
    await commit(store, "one")
    await store.close()
    store = open_store(database)
    assert await store.last_commit_at() == NOW + SECOND
    await store.close()


async def test_time_is_written_down_once_a_second(sqlite_store: SqliteStore) -> None:
    asked: list[datetime] = []
    ticking = Ticking()

    def now() -> datetime:
        asked.append(ticking.instant)
        return ticking.instant

    sqlite_store.keep_time(now)
    for number in range(10):
        ticking.instant += timedelta(milliseconds=100)
        await commit(sqlite_store, f"app-{number}")
    assert len(asked) == 10
    assert await sqlite_store.last_commit_at() == NOW + timedelta(milliseconds=100) + SECOND


async def test_a_commit_that_failed_leaves_no_time_behind(sqlite_store: SqliteStore) -> None:
    ticking = Ticking()
    sqlite_store.keep_time(ticking.now)
    await commit(sqlite_store, "one")
    ticking.instant += timedelta(hours=1)
    sqlite_store.limit_pages(1)
    with pytest.raises(StoreUnavailable):
        while True:
            await sqlite_store.clients.create(a_client(f"app-{ticking.instant:%f}"), events=())
            ticking.instant += timedelta(microseconds=1)
    sqlite_store.limit_pages(None)
    before = await sqlite_store.last_commit_at()
    assert before is not None and before <= ticking.instant + SECOND
    await commit(sqlite_store, "two")
    last = await sqlite_store.last_commit_at()
    assert last is not None and last >= ticking.instant
