"""Signed-in browsers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.storage.outcomes import Done, Missing, Stale
from tests.contract.store.builders import (
    HOUR,
    NOW,
    AnyStore,
    World,
    a_change,
    a_key,
    a_session,
    an_attempt,
)


async def start(world: World, **values: Any) -> object:
    session = a_session(**values)
    return await world.store.sessions.start(
        session, replaces=None, attempt=an_attempt(), events=(a_change(),)
    )


async def test_a_session_is_read_with_its_person(world: World) -> None:
    session = a_session(browser="Firefox")
    attempt = an_attempt()
    begun = await world.store.sessions.start(session, replaces=None, attempt=attempt, events=())
    assert begun == Done()
    found = await world.store.sessions.get(session.key)
    assert found is not None
    assert (found.session, found.user) == (session, world.user)
    assert await world.store.sessions.get(a_key()) is None


async def test_a_session_that_replaces_another_ends_it(world: World) -> None:
    first, second = a_session(), a_session()
    sessions = world.store.sessions
    await sessions.start(first, replaces=None, attempt=an_attempt(), events=())
    await sessions.start(second, replaces=first.key, attempt=an_attempt(), events=())
    assert await sessions.get(first.key) is None
    assert await sessions.get(second.key) is not None


async def test_no_session_starts_on_an_epoch_that_has_moved(world: World) -> None:
    assert await start(world, user_epoch=2) == Stale()
    assert await world.audit("record.changed") == 0


@pytest.mark.parametrize("what", ["disabled", "gone"])
async def test_no_session_starts_for_a_person_who_is(world: World, what: str) -> None:
    if what == "gone":
        await world.store.users.delete(world.user.user_id, events=())
    else:
        disabled = replace(world.user, is_enabled=False)
        await world.store.users.replace(disabled, identifiers=("erin",), events=())
    old = a_session()
    assert await start(world) == Stale()
    assert await world.store.sessions.get(old.key) is None


async def test_a_stale_start_does_not_end_the_session_it_would_replace(world: World) -> None:
    old = a_session()
    sessions = world.store.sessions
    await sessions.start(old, replaces=None, attempt=an_attempt(), events=())
    late = a_session(user_epoch=9)
    assert await sessions.start(late, replaces=old.key, attempt=an_attempt(), events=()) == Stale()
    assert await sessions.get(old.key) is not None


async def test_use_lengthens_a_session_and_a_late_request_does_not_shorten_it(world: World) -> None:
    session = a_session()
    sessions = world.store.sessions
    await sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    for minutes in (20, 10):
        used_at = NOW + timedelta(minutes=minutes)
        await sessions.touch(session.key, last_used_at=used_at, idle_expires_at=used_at + HOUR)
    found = await sessions.get(session.key)
    assert found is not None
    used_at = NOW + timedelta(minutes=20)
    assert found.session == replace(session, last_used_at=used_at, idle_expires_at=used_at + HOUR)


async def test_using_a_session_that_has_ended_does_not_bring_it_back(world: World) -> None:
    key = a_key()
    await world.store.sessions.touch(key, last_used_at=NOW, idle_expires_at=NOW + HOUR)
    assert await world.store.sessions.get(key) is None


async def test_a_session_ends_once(world: World) -> None:
    session = a_session()
    await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    assert await world.store.sessions.end(session.key, events=(a_change(),)) == Done()
    assert await world.store.sessions.end(session.key, events=(a_change(),)) == Missing()
    assert await world.store.sessions.get(session.key) is None
    assert await world.audit("record.changed") == 1


async def test_an_unknown_session_is_missing(store: AnyStore) -> None:
    assert await store.sessions.end(a_key(), events=()) == Missing()
