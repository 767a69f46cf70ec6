"""Rows that are over are looked for before they are deleted: what changes in between stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Blocked
from innkeeper.server.storage.purging import Purge, Row
from innkeeper.server.storage.rows import Value, to_us
from tests.contract.store.builders import HOUR, NOW, World, a_key
from tests.contract.store.families import begun

LATER = NOW + 3 * HOUR + timedelta(minutes=1)
ONE_A_HOUR = AttemptLimit(key=b"throttle", attempts=1, window=HOUR)

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


async def test_what_was_renewed_after_the_look_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    throttles, purge = world.store.throttles, getattr(world.store, "_purge")  # noqa: B009 - memory has none
    assert isinstance(purge, Purge)
    look = purge._look

    async def look_and_renew(*queries: tuple[str, Sequence[Value]]) -> Sequence[Sequence[Row]]:
        found = await look(*queries)
        if found == [[(ONE_A_HOUR.key, to_us(NOW + HOUR), ONE_A_HOUR.key)]]:
            await throttles.attempt([ONE_A_HOUR], now=LATER)
        return found

    await throttles.attempt([ONE_A_HOUR], now=NOW)
    monkeypatch.setattr(purge, "_look", look_and_renew)
    assert await world.store.purge(now=LATER, limit=100) == 0
    assert await throttles.attempt([ONE_A_HOUR], now=LATER) == Blocked(until=LATER + HOUR)


async def test_where_nothing_is_over_nothing_is_written(world: World) -> None:
    await world.issued(expires_at=NOW + 30 * HOUR)
    before = world.store.counters.transitions
    assert await world.store.purge(now=LATER, limit=100) == 0
    assert world.store.counters.transitions == before


async def test_a_family_takes_its_grant_along(world: World) -> None:
    """The walk over the grants, which lie in no order of time, would come to it much later."""
    ends_at = NOW + HOUR
    family = await begun(world, key=a_key(ends_at), idle_expires_at=ends_at, absolute_expires_at=ends_at)
    assert await world.store.purge(now=LATER, limit=2) == 2
    assert await world.store.grants.standing(family.grant_id) is None
    assert await world.store.purge(now=LATER, limit=2) == 1
