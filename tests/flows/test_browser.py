"""Who is signed in: a session under the limits of today, whichever it began with."""

from __future__ import annotations

from datetime import timedelta

import pytest

from innkeeper.server.config import Lifetimes
from innkeeper.server.flows.browser import Browser, signed_in
from innkeeper.server.flows.fresh import new_attempt, new_handle
from innkeeper.server.model.identifiers import SessionId, Subject
from innkeeper.server.model.session import Session
from tests.world import START, World, a_world

LONG = timedelta(days=30)
HOUR_S, DAY_S = 3600, 86_400


async def a_signed_in_browser(world: World) -> Browser:
    """erin's, since START, by a session that was begun under limits of thirty days."""
    text, key = new_handle(world.services.entropy, "ik_se_", START + LONG)
    session = Session(
        key=key,
        sid=SessionId("s"),
        user_id=Subject("ik|erin"),
        user_epoch=1,
        auth_time=START,
        amr=("pwd",),
        acr=None,
        created_at=START,
        last_used_at=START,
        idle_expires_at=START + LONG,
        absolute_expires_at=START + LONG,
    )
    attempt = new_attempt(world.services.entropy)
    await world.services.store.sessions.start(session, replaces=None, attempt=attempt, events=())
    return Browser(binding=None, session=text, address="203.0.113.7", correlation_id="c")


@pytest.mark.parametrize(
    ("today", "ends_after"),
    [
        (Lifetimes(session_idle_s=HOUR_S, session_absolute_s=DAY_S), timedelta(seconds=HOUR_S)),
        (Lifetimes(session_idle_s=2 * DAY_S, session_absolute_s=DAY_S), timedelta(seconds=DAY_S)),
        (Lifetimes(session_idle_s=60 * DAY_S, session_absolute_s=90 * DAY_S), LONG),
    ],
    ids=["idle", "absolute", "a longer limit is for new sessions"],
)
async def test_R_SE5_a_limit_that_was_shortened_acts_on_live_sessions(
    today: Lifetimes, ends_after: timedelta
) -> None:
    world = await a_world(lifetimes=today)
    browser = await a_signed_in_browser(world)
    world.clock.advance(seconds=ends_after.total_seconds())
    assert await signed_in(browser, world.services) is None
    world.clock.advance(seconds=-1)
    assert await signed_in(browser, world.services) is not None
