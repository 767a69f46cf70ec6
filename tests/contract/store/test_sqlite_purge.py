"""Rows that are over are looked for beside the writer: what changes between the look and the deletion stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Blocked
from innkeeper.server.storage.sqlite import SqliteStore
from innkeeper.server.storage.sqlite.purge import NEXT_THROTTLES
from innkeeper.server.storage.sqlite.reader import Reader, Row
from innkeeper.server.storage.sqlite.rows import Value
from tests.contract.store.builders import HOUR, NOW, World, a_key
from tests.contract.store.families import begun

LATER = NOW + 3 * HOUR + timedelta(minutes=1)
ONE_A_HOUR = AttemptLimit(key=b"throttle", attempts=1, window=HOUR)


async def test_what_was_renewed_after_the_look_stays(
    sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Reader.scan

    async def look_and_renew(reader: Reader, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        found = await look(reader, sql, values)
        if sql == NEXT_THROTTLES:
            await sqlite_store.throttles.attempt([ONE_A_HOUR], now=LATER)
        return found

    await sqlite_store.throttles.attempt([ONE_A_HOUR], now=NOW)
    monkeypatch.setattr(Reader, "scan", look_and_renew)
    assert await sqlite_store.purge(now=LATER, limit=100) == 0
    assert await sqlite_store.throttles.attempt([ONE_A_HOUR], now=LATER) == Blocked(until=LATER + HOUR)


async def test_where_nothing_is_over_nothing_is_written(sqlite_world: World) -> None:
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    await sqlite_world.issued(expires_at=NOW + 30 * HOUR)
    before = store.counters.commits
    assert await store.purge(now=LATER, limit=100) == 0
    assert store.counters.commits == before


async def test_a_family_takes_its_grant_along(sqlite_world: World) -> None:
    """The walk over the grants, which lie in no order of time, would come to it much later."""
    ends_at = NOW + HOUR
    family = await begun(
        sqlite_world, key=a_key(ends_at), idle_expires_at=ends_at, absolute_expires_at=ends_at
    )
    assert await sqlite_world.store.purge(now=LATER, limit=2) == 2
    assert await sqlite_world.store.grants.standing(family.grant_id) is None
    assert await sqlite_world.store.purge(now=LATER, limit=2) == 1
