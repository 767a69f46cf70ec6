"""What ends with a session: the codes and tokens that are bound to it, and nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.model.grant import Grant
from innkeeper.server.model.session import Session
from innkeeper.server.storage.outcomes import Done, Gone, Missing, Redeemed, Replayed, Stale
from tests.contract.store.builders import (
    HOUR,
    NOW,
    AnyStore,
    World,
    a_change,
    a_key,
    a_session,
    a_token,
    a_user,
    an_attempt,
    opaque,
)
from tests.contract.store.rivals import Rivals

OFFLINE = ("openid", "offline_access")


async def started(world: World, **values: Any) -> Session:
    session = a_session(**values)
    begun = await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    assert begun == Done()
    return session


async def end(world: World, session: Session) -> Done | Missing:
    return await world.store.sessions.end(session.key, events=(a_change(),))


async def ends_at(world: World, grant: Grant) -> Any:
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    return standing.session_ends_at


async def test_a_grant_is_told_when_its_session_runs_out(world: World) -> None:
    session = await started(world)
    _, grant = await world.issued(sid=session.sid)
    assert await ends_at(world, grant) == session.idle_expires_at
    used_at = NOW + timedelta(hours=7, minutes=30)
    await world.store.sessions.touch(session.key, last_used_at=used_at, idle_expires_at=used_at + HOUR)
    assert await ends_at(world, grant) == session.absolute_expires_at


async def test_a_grant_is_told_that_its_session_has_ended(world: World) -> None:
    session, other = await started(world), await started(world)
    _, grant = await world.issued(sid=session.sid)
    _, of_another = await world.issued(sid=other.sid)
    assert await end(world, session) == Done()
    assert await ends_at(world, grant) is None
    assert await ends_at(world, of_another) == other.idle_expires_at


async def test_an_opaque_token_is_told_the_same(world: World) -> None:
    session = await started(world)
    code, grant = await world.issued(sid=session.sid)
    token = a_token(grant)
    assert await world.redeem(code, access_token=token) == Redeemed()
    for expected in (session.idle_expires_at, None):
        standing = await opaque(world, token)
        assert standing is not None and standing.session_ends_at == expected
        await end(world, session)


async def test_a_grant_that_outlives_its_session_is_bound_to_none(world: World) -> None:
    session = await started(world)
    code, grant = await world.issued(sid=session.sid, scope=OFFLINE)
    assert await ends_at(world, grant) is None
    await end(world, session)
    assert await world.redeem(code) == Redeemed()


async def test_a_code_ends_with_the_session_it_is_bound_to(world: World) -> None:
    session = await started(world)
    code, _ = await world.issued(sid=session.sid)
    await end(world, session)
    assert await world.redeem(code) == Gone()
    assert await world.audit("code.redeemed") == 0


async def test_a_code_ends_when_its_session_runs_out(world: World) -> None:
    seconds = timedelta(seconds=30)
    session = await started(world, idle_expires_at=NOW + seconds)
    first, _ = await world.issued(sid=session.sid)
    second, _ = await world.issued(sid=session.sid)
    assert await world.redeem(first, now=NOW + seconds) == Gone()
    assert await world.redeem(second, now=NOW + seconds - timedelta(microseconds=1)) == Redeemed()


async def test_a_code_that_comes_twice_is_a_replay_also_when_the_session_has_ended(world: World) -> None:
    session = await started(world)
    code, grant = await world.issued(sid=session.sid)
    assert await world.redeem(code) == Redeemed()
    await end(world, session)
    assert await world.redeem(code) == Replayed()
    assert await world.is_revoked(grant.grant_id)


@pytest.mark.parametrize("scope", [("openid",), OFFLINE])
async def test_no_authorization_is_completed_in_a_session_that_has_ended(
    world: World, scope: tuple[str, ...]
) -> None:
    session = await started(world)
    code, grant = world.authorization(sid=session.sid, scope=scope)
    await end(world, session)
    assert await world.issue(code, grant) == Stale()
    assert await world.store.codes.read(code.key) is None
    opened = await world.store.grants.open(
        grant, access_token=None, family=None, attempt=an_attempt(), events=()
    )
    assert opened == Stale()
    assert await world.store.grants.standing(grant.grant_id) is None


async def test_every_handle_of_a_session_ends_with_it(world: World) -> None:
    """Two tabs in which the same person signs in again at the same moment leave two."""
    session = await started(world)
    twin = await started(world, sid=session.sid)
    _, grant = await world.issued(sid=session.sid)
    assert await end(world, session) == Done()
    assert await world.store.sessions.get(twin.key) is None
    assert await ends_at(world, grant) is None
    assert await end(world, twin) == Missing()
    assert await world.audit("record.changed") == 1


async def test_signing_in_again_keeps_what_is_bound(world: World) -> None:
    session = await started(world)
    _, grant = await world.issued(sid=session.sid)
    again = replace(session, key=a_key(session.absolute_expires_at), idle_expires_at=NOW + 2 * HOUR)
    sessions = world.store.sessions
    assert await sessions.start(again, replaces=session.key, attempt=an_attempt(), events=()) == Done()
    assert await ends_at(world, grant) == again.idle_expires_at


async def test_another_person_in_the_same_browser_ends_it(world: World) -> None:
    await world.store.users.create(
        a_user("sub-mona", username="mona"), identifiers=("mona",), password=None, events=()
    )
    session = await started(world)
    twin = await started(world, sid=session.sid)
    _, grant = await world.issued(sid=session.sid)
    monas = a_session("sub-mona")
    sessions = world.store.sessions
    assert await sessions.start(monas, replaces=session.key, attempt=an_attempt(), events=()) == Done()
    assert await ends_at(world, grant) is None
    assert await sessions.get(twin.key) is None and await sessions.get(monas.key) is not None


async def test_twenty_ends_of_one_session_are_one(rivals: Rivals) -> None:
    session = await started(rivals.world)

    async def leave(store: AnyStore, number: int) -> Any:
        return await store.sessions.end(session.key, events=(a_change(),))

    assert await rivals.tally(leave) == Counter(Done=1, Missing=19)
    assert await rivals.world.audit("record.changed") == 1


async def test_a_code_that_is_issued_while_the_session_ends_gives_nothing(rivals: Rivals) -> None:
    world = rivals.world
    session = await started(world)
    pairs = [world.authorization(sid=session.sid) for _ in range(20)]

    async def enter(store: AnyStore, number: int) -> Any:
        if number == 10:
            return await store.sessions.end(session.key, events=())
        code, grant = pairs[number]
        return await world.issue(code, grant, store=store)

    outcomes = await rivals.race(enter)
    assert outcomes[10] == Done()
    for (code, grant), outcome in zip(pairs, outcomes, strict=True):
        assert await world.redeem(code) == Gone()
        standing = await world.store.grants.standing(grant.grant_id)
        assert (standing is None) == (outcome == Stale() or code is pairs[10][0])
        assert standing is None or standing.session_ends_at is None


async def test_an_end_whose_answer_was_lost_is_done(world: World) -> None:
    session = await started(world)
    world.store.lose_next_answer()
    assert await end(world, session) == Done()
    assert await world.audit("record.changed") == 1
