"""What is over goes, an hour later; what may still be asked for stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Blocked, Redeemed, Replayed
from tests.contract.store.builders import (
    HOUR,
    NOW,
    World,
    a_key,
    a_link,
    a_session,
    a_token,
    an_attempt,
)

LATER = NOW + 3 * HOUR + timedelta(minutes=1)


async def test_a_redeemed_code_is_recognised_as_long_as_its_grant_is_kept(world: World) -> None:
    code, grant = await world.issued()
    assert await world.redeem(code) == Redeemed()
    before_its_time = NOW + 3 * HOUR
    await world.store.purge(now=before_its_time, limit=1000)
    assert await world.redeem(code) == Replayed()
    assert await world.store.purge(now=LATER, limit=1000) == 2
    assert await world.store.codes.read(code.key) is None
    assert await world.store.grants.standing(grant.grant_id) is None


async def test_everything_that_is_over_goes_and_the_rest_stays(world: World) -> None:
    store = world.store
    _, kept_grant = await world.issued(expires_at=NOW + 30 * HOUR)
    kept_token = a_token(kept_grant, key=a_key(NOW + 9 * HOUR), expires_at=NOW + 9 * HOUR)
    kept_session = a_session()
    code, grant = await world.issued()
    kept_code, _ = await world.issued(expires_at=NOW + 30 * HOUR)
    token, session, link = a_token(grant), a_session(absolute_expires_at=NOW, key=a_key(NOW)), a_link()
    await world.redeem(code, access_token=token)
    await world.redeem(kept_code, access_token=kept_token)
    for started in (session, kept_session):
        await store.sessions.start(started, replaces=None, attempt=an_attempt(), events=())
    await store.links.create(link, events=())
    short = AttemptLimit(key=b"short", attempts=1, window=HOUR)
    long = AttemptLimit(key=b"long", attempts=1, window=10 * HOUR)
    await store.throttles.attempt([short, long], now=NOW)
    assert await store.purge(now=LATER, limit=1000) == 6
    assert await store.purge(now=LATER, limit=1000) == 0
    assert await store.access_tokens.opaque_standing(token.key) is None
    assert await store.access_tokens.opaque_standing(kept_token.key) is not None
    assert await store.sessions.get(session.key) is None
    assert await store.sessions.get(kept_session.key) is not None
    assert await store.links.get(link.key) is None
    assert await store.grants.standing(kept_grant.grant_id) is not None
    assert await store.throttles.attempt([short], now=NOW) == Allowed()
    assert await store.throttles.attempt([long], now=NOW) == Blocked(until=NOW + 10 * HOUR)


async def test_a_purge_deletes_no_more_than_it_was_asked_to(world: World) -> None:
    for _ in range(30):
        await world.issued()
    total = 0
    for _ in range(100):
        deleted = await world.store.purge(now=LATER, limit=10)
        assert deleted <= 10
        total += deleted
        if not deleted:
            break
    assert total == 60


async def test_a_living_grant_at_the_edge_does_not_hide_the_dead_ones_behind_it(world: World) -> None:
    for _ in range(12):
        await asyncio.gather(*(world.issued(expires_at=NOW + 30 * HOUR) for _ in range(100)))
    await asyncio.gather(*(world.issued(expires_at=NOW + HOUR) for _ in range(150)))
    assert await world.store.purge(now=LATER, limit=5000) == 300


async def test_a_handle_that_says_an_earlier_time_than_its_row_is_kept(world: World) -> None:
    """The row is the authority; the time in the handle only says where to look."""
    session = a_session(key=a_key(NOW - 100 * HOUR))
    await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    await world.store.purge(now=LATER, limit=1000)
    assert await world.store.sessions.get(session.key) is not None
