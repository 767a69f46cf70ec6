"""Attacks on the session: fixation, people who are gone, time, many sign-ins at once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from innkeeper.server import app
from innkeeper.server.config import Settings, SignInLimits
from innkeeper.server.flows.clocks import SystemClock
from innkeeper.server.model.handle import key_of
from innkeeper.server.web import cookies
from tests.attacks.oracles import is_sound
from tests.attacks.token_requests import delete_person, disable_person, end_person, tables
from tests.visitor import BROWSER, Visitor
from tests.world import ISSUER, PASSWORD, TIMESHEETS, FastPasswords, World, a_world, authorize_parameters

pytestmark = pytest.mark.anyio
SESSION = cookies.session_cookie_name(Settings(issuer=ISSUER))
DAY_S = 86_400


@pytest.fixture
async def world() -> World:
    return await a_world()


async def is_signed_in(world: World, session: str) -> bool:
    """Whether a browser with this session cookie alone is answered with a code at once."""
    visitor = Visitor(world)
    visitor.http.headers["cookie"] = f"{SESSION}={session}"
    await visitor.authorize(prompt="none")
    answer = visitor.answer()
    assert "code" in answer or answer["error"] == "login_required"
    return "code" in answer


async def signed_in(world: World, username: str = "erin") -> tuple[Visitor, str]:
    visitor = Visitor(world)
    await visitor.code(username)
    return visitor, visitor.http.cookies[SESSION]


# ------------------------------------------------------------ LG-05: fixation


@pytest.mark.parametrize("preset", ["x", "ik_se_" + "A" * 54, ""])
async def test_LG_05_a_preset_cookie_does_not_become_the_session(world: World, preset: str) -> None:
    visitor = Visitor(world)
    visitor.http.cookies.set(SESSION, preset, domain="id.example.test", path="/")
    await visitor.code()
    [given] = [
        cookie.value for cookie in visitor.http.cookies.jar if cookie.name == SESSION and cookie.path == "/"
    ]
    assert given is not None and given != preset
    assert await is_signed_in(world, given)
    assert not await is_signed_in(world, preset)


async def test_LG_05_the_attackers_session_dies_when_another_person_signs_in_over_it(world: World) -> None:
    _, attackers = await signed_in(world, "mona")
    victim = Visitor(world)
    victim.http.cookies.set(SESSION, attackers, domain="id.example.test", path="/")
    await victim.authorize(prompt="login")
    await victim.sign_in("erin")
    [new] = [cookie.value for cookie in victim.http.cookies.jar if cookie.name == SESSION]
    assert new is not None and new != attackers
    assert not await is_signed_in(world, attackers)
    assert await is_signed_in(world, new)
    [row] = tables(world).sessions.values()
    assert row.session.user_id == "ik|erin"


async def test_LG_05_signing_in_again_gives_a_new_handle_and_keeps_the_public_id(world: World) -> None:
    visitor, old = await signed_in(world)
    [before] = tables(world).sessions.values()
    await visitor.authorize(prompt="login")
    await visitor.sign_in()
    assert "code" in visitor.answer()
    new = visitor.http.cookies[SESSION]
    assert new != old and not await is_signed_in(world, old) and await is_signed_in(world, new)
    [after] = tables(world).sessions.values()
    assert after.session.sid == before.session.sid and after.session.key != before.session.key


async def test_LG_05_another_person_in_the_same_browser_gets_another_session(world: World) -> None:
    visitor, old = await signed_in(world)
    [before] = tables(world).sessions.values()
    await visitor.authorize(prompt="login")
    await visitor.sign_in("mona")
    assert not await is_signed_in(world, old)
    [after] = tables(world).sessions.values()
    assert after.session.sid != before.session.sid and after.session.user_id == "ik|mona"


async def test_LG_05_a_failed_sign_in_changes_no_session(world: World) -> None:
    visitor, session = await signed_in(world)
    await visitor.authorize(prompt="login")
    await visitor.sign_in(password="wrong")
    assert visitor.http.cookies[SESSION] == session
    assert await is_signed_in(world, session)


async def test_LG_05_the_public_session_id_opens_nothing(world: World) -> None:
    await signed_in(world)
    [row] = tables(world).sessions.values()
    assert not await is_signed_in(world, row.session.sid)
    assert not await is_signed_in(world, "ik_se_" + row.session.sid)


# ------------------------------------------------------------ LG-10: gone while signed in


@pytest.mark.parametrize("end", [disable_person, end_person, delete_person])
async def test_LG_10_the_next_request_after_the_end_is_refused(
    world: World, end: Callable[[World], Awaitable[None]]
) -> None:
    visitor, session = await signed_in(world)
    await end(world)
    assert not await is_signed_in(world, session)
    await visitor.authorize()
    assert "login-submit" in visitor.page.ids


@pytest.mark.parametrize("end", [disable_person, end_person, delete_person])
async def test_LG_10_a_consent_page_that_is_still_open_gives_nothing(
    world: World, end: Callable[[World], Awaitable[None]]
) -> None:
    visitor = Visitor(world)
    await visitor.authorize(client_id="paycheck", audience=TIMESHEETS, scope="openid read:timesheets")
    await visitor.sign_in()
    assert "consent-allow" in visitor.page.ids
    await end(world)
    await visitor.submit("consent-allow")
    is_sound(visitor.response)
    assert "code=" not in visitor.location
    assert not tables(world).codes and not tables(world).consents


async def test_LG_10_a_person_who_was_disabled_cannot_sign_in(world: World) -> None:
    await disable_person(world)
    visitor = Visitor(world)
    await visitor.authorize()
    await visitor.sign_in()
    assert visitor.response.status_code == 400 and SESSION not in visitor.http.cookies


async def test_LG_10_nobody_elses_session_ends(world: World) -> None:
    _, monas = await signed_in(world, "mona")
    await signed_in(world)
    await delete_person(world)
    assert await is_signed_in(world, monas)


# ------------------------------------------------------------ LG-11: time


async def test_LG_11_a_session_ends_when_it_is_not_used(world: World) -> None:
    _, session = await signed_in(world)
    world.clock.advance(seconds=3 * DAY_S - 1)
    assert await is_signed_in(world, session)
    world.clock.advance(seconds=3 * DAY_S)
    assert not await is_signed_in(world, session)


async def test_LG_11_a_session_ends_however_much_it_is_used(world: World) -> None:
    _, session = await signed_in(world)
    for _ in range(29):
        world.clock.advance(days=1)
        assert await is_signed_in(world, session)
    world.clock.advance(seconds=DAY_S - 1)
    assert await is_signed_in(world, session)
    world.clock.advance(seconds=1)
    assert not await is_signed_in(world, session)


async def test_LG_11_use_is_written_at_most_once_per_twentieth_of_the_limit(world: World) -> None:
    _, session = await signed_in(world)
    counters = world.services.store.counters  # type: ignore[attr-defined]
    issuing_only = counters.transitions
    await is_signed_in(world, session)
    cost = counters.transitions - issuing_only
    world.clock.advance(seconds=3 * DAY_S / 20 - 1)
    before = counters.transitions
    await is_signed_in(world, session)
    assert counters.transitions - before == cost
    world.clock.advance(seconds=1)
    before = counters.transitions
    await is_signed_in(world, session)
    assert counters.transitions - before == cost + 1


async def test_LG_11_the_browsers_clock_has_no_say(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize()
    await visitor.sign_in()
    for cookie in visitor.http.cookies.jar:
        assert cookie.expires is None
    headers = {"date": "Tue, 01 Jan 2019 00:00:00 GMT", "if-modified-since": "Tue, 01 Jan 2019 00:00:00 GMT"}
    world.clock.advance(days=31)
    answer = await visitor.http.get(
        "/authorize", params=authorize_parameters(prompt="none"), headers=BROWSER | headers
    )
    assert "error=login_required" in answer.headers["location"]


def test_LG_11_the_servers_clock_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"time": 1_900_000_000.0, "monotonic": 50.0}
    monkeypatch.setattr("time.time", lambda: times["time"])
    monkeypatch.setattr("time.monotonic", lambda: times["monotonic"])
    clock = SystemClock()
    first = clock.now()
    times.update(time=times["time"] - 3_600, monotonic=60.0)
    assert (clock.now() - first).total_seconds() == pytest.approx(5)
    times.update(time=1_900_007_200.0)
    assert clock.now().timestamp() == pytest.approx(1_900_007_200)


# ------------------------------------------------------------ LG-22: many at once


class SlowPasswords(FastPasswords):
    """Lets others run in the middle, as the real ones do."""

    async def verify(self, hash: str | None, password: str) -> bool:  # noqa: A002
        await asyncio.sleep(0)
        return await super().verify(hash, password)


async def test_LG_22_a_hundred_sign_ins_at_once_are_a_hundred_sessions() -> None:
    limits = SignInLimits(attempts_per_address_and_account=200, attempts_per_account=200)
    world = _slow(await a_world(sign_in=limits))
    sessions = await _sign_in_at_once(world)
    assert len(set(sessions)) == 100 and None not in sessions
    assert len(tables(world).sessions) == 100
    assert len({row.session.sid for row in tables(world).sessions.values()}) == 100
    for session in sessions[::10]:
        assert session is not None and key_of("ik_se_", session) in tables(world).sessions
        assert await is_signed_in(world, session)


async def test_LG_22_beyond_the_cap_they_wait_and_nothing_breaks(world: World) -> None:
    sessions = await _sign_in_at_once(_slow(world))
    given = [session for session in sessions if session is not None]
    assert len(given) == len(tables(world).sessions) == len(set(given)) >= 10


def _slow(world: World) -> World:
    passwords = SlowPasswords()
    services = dataclasses.replace(world.services, passwords=passwords)
    return dataclasses.replace(world, services=services, passwords=passwords, asgi=app.create_app(services))


async def _sign_in_at_once(world: World) -> list[str | None]:
    async def one() -> str | None:
        visitor = Visitor(world)
        await visitor.authorize()
        await visitor.sign_in(password=PASSWORD)
        is_sound(visitor.response)
        assert visitor.response.status_code in (303, 429)
        found: Any = visitor.http.cookies.get(SESSION)
        assert (found is not None) == (visitor.response.status_code == 303)
        return None if found is None else str(found)

    return list(await asyncio.gather(*(one() for _ in range(100))))
