"""What a store knows of the time: its own clock, and when the last commit was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.outcomes import Overlapped, Reused, Rotated, StoreUnavailable
from innkeeper.server.storage.postgresql import PostgresStore
from innkeeper.server.storage.postgresql import open_store as open_postgresql
from innkeeper.server.storage.sqlite import SqliteStore, open_store
from tests.contract.store.builders import HOUR, NOW, World, a_change, a_client
from tests.contract.store.conftest import a_database
from tests.contract.store.families import begun, rotate, row

TENTH = timedelta(milliseconds=100)


@pytest.fixture
async def postgres_store(request: pytest.FixtureRequest) -> AsyncIterator[PostgresStore]:
    store = await open_postgresql(await a_database(request))
    yield store
    await store.close()


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
        assert ticking.instant <= last <= ticking.instant + TENTH


async def test_what_the_file_says_outlives_the_process(database: Path) -> None:
    ticking = Ticking()
    store = open_store(database)
    store.keep_time(ticking.now)
    await commit(store, "one")
    await store.close()
    store = open_store(database)
    assert await store.last_commit_at() == NOW + TENTH
    await store.close()


async def test_time_is_written_down_ten_times_a_second(sqlite_store: SqliteStore) -> None:
    asked: list[datetime] = []
    ticking = Ticking()

    def now() -> datetime:
        asked.append(ticking.instant)
        return ticking.instant

    sqlite_store.keep_time(now)
    for number in range(10):
        ticking.instant += TENTH / 10
        await commit(sqlite_store, f"app-{number}")
    assert len(asked) == 10
    assert await sqlite_store.last_commit_at() == NOW + TENTH / 10 + TENTH


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
    assert before is not None and before <= ticking.instant + TENTH
    await commit(sqlite_store, "two")
    last = await sqlite_store.last_commit_at()
    assert last is not None and last >= ticking.instant


async def test_postgresql_has_a_clock_of_its_own(postgres_store: PostgresStore) -> None:
    before = datetime.now(UTC)
    first, second = await postgres_store.time(), await postgres_store.time()
    assert first is not None and second is not None
    assert before - HOUR < first < second


async def test_postgresql_knows_its_last_commit_by_the_newest_audit_row(
    postgres_store: PostgresStore,
) -> None:
    assert await postgres_store.last_commit_at() is None
    for at in (NOW, NOW + HOUR, NOW + HOUR / 2):
        event = replace(a_change(), at=at)
        await postgres_store.clients.create(a_client(f"app-{at.minute}-{at.hour}"), events=[event])
    assert await postgres_store.last_commit_at() == NOW + HOUR


async def test_a_node_whose_clock_is_a_minute_ahead_ends_no_overlap(postgres_store: PostgresStore) -> None:
    world = await World(postgres_store).build()
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    for skew_s in (60, -60, 3600, -3600):
        now = NOW + timedelta(seconds=skew_s)
        assert await rotate(world, family, now=now) == Overlapped(generation=1), skew_s


async def test_a_node_whose_clock_is_behind_prolongs_no_overlap(postgres_store: PostgresStore) -> None:
    world = await World(postgres_store).build()
    family, overlap = await begun(world), timedelta(milliseconds=200)
    here = await postgres_store.time()
    assert here is not None
    assert await rotate(world, family, now=here, overlap=overlap) == Rotated(generation=1)
    rotated_at = (await row(world, family)).rotated_at
    assert rotated_at is not None
    while (now := await postgres_store.time()) is None or now - rotated_at <= overlap:
        await asyncio.sleep(0.02)
    # By so much that what was just rotated is not taken for something of the future.
    behind = now - timedelta(seconds=30)
    assert await rotate(world, family, now=behind, overlap=overlap) == Reused()
