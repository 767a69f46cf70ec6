"""Attacks on our forms and cookies: posts from elsewhere, values in each other's place, cookies that were made up."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from innkeeper.server import app
from innkeeper.server.config import Settings
from innkeeper.server.flows.fresh import new_handle
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.secret import Secret
from innkeeper.server.web import cookies
from tests.attacks.oracles import is_page, is_sound, no_row, still_works
from tests.attacks.token_requests import FOR_API, redeem, userinfo
from tests.visitor import BROWSER, Page, Visitor
from tests.world import ISSUER, MASTER, PASSWORD, START, TIMESHEETS, World, a_world, authorize_parameters

pytestmark = pytest.mark.anyio
FORM = "application/x-www-form-urlencoded"
SESSION = cookies.session_cookie_name(Settings(issuer=ISSUER))
BINDING = cookies.browser_cookie_name(Settings(issuer=ISSUER))
CONSENT: dict[str, Any] = {
    "client_id": "paycheck",
    "audience": TIMESHEETS,
    "scope": "openid read:timesheets",
}


@pytest.fixture
async def world() -> World:
    return await a_world()


async def at_sign_in(world: World, **parameters: str | None) -> Visitor:
    visitor = Visitor(world)
    await visitor.authorize(**parameters)
    assert "login-submit" in visitor.page.ids
    return visitor


async def at_account(world: World) -> Visitor:
    visitor = await at_sign_in(world)
    await visitor.sign_in()
    await visitor.authorize(prompt="select_account")
    assert "account-continue" in visitor.page.ids
    return visitor


async def at_consent(world: World) -> Visitor:
    visitor = await at_sign_in(world, **CONSENT)
    await visitor.sign_in()
    assert "consent-allow" in visitor.page.ids
    return visitor


def filled_in(page: Page, button: str, **changes: str) -> dict[str, str]:
    """What the browser would post."""
    return dict([*page.fields, page.buttons[button]]) | changes


async def post(
    visitor: Visitor, path: str, fields: dict[str, str], headers: dict[str, str] | None = None
) -> httpx2.Response:
    """The form, with exactly these headers."""
    body = str(httpx2.QueryParams(list(fields.items()))).encode()
    sent = {"content-type": FORM} | (headers if headers is not None else BROWSER | {"origin": ISSUER})
    return await visitor.http.post(path, content=body, headers=sent)


def is_refused_form(answer: httpx2.Response) -> None:
    is_page(answer, status=403)
    assert "set-cookie" not in answer.headers


# ------------------------------------------------------------ LG-01: from elsewhere


ELSEWHERE = {
    "another site by origin": {"origin": "https://evil.example.test"},
    "another site by fetch metadata": {"sec-fetch-site": "cross-site"},
    "a sister host": {"sec-fetch-site": "same-site", "origin": "https://other.example.test"},
    "another port": {"origin": ISSUER + ":8443"},
    "plain http": {"origin": ISSUER.replace("https", "http")},
    "no origin, a sandboxed frame": {"origin": "null"},
    "a sandboxed frame of another site": {"origin": "null", "sec-fetch-site": "cross-site"},
    "our origin, another site": {"origin": ISSUER, "sec-fetch-site": "cross-site"},
    "an origin that starts like ours": {"origin": ISSUER + ".evil.example.test"},
}


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_LG_01_a_sign_in_from_elsewhere_is_refused(world: World, headers: dict[str, str]) -> None:
    visitor = await at_sign_in(world)
    fields = filled_in(visitor.page, "login-submit", username="erin", password=PASSWORD)
    with no_row(world):
        is_refused_form(await post(visitor, "/sign-in", fields, headers))
    assert world.passwords.verified == []
    await still_works(world)


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_LG_01_a_consent_from_elsewhere_is_refused(world: World, headers: dict[str, str]) -> None:
    visitor = await at_consent(world)
    with no_row(world):
        is_refused_form(await post(visitor, "/consent", filled_in(visitor.page, "consent-allow"), headers))


@pytest.mark.parametrize("button", ["account-continue", "account-switch", "account-cancel"])
@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_LG_01_a_choice_of_account_from_elsewhere_is_refused(
    world: World, headers: dict[str, str], button: str
) -> None:
    visitor = await at_account(world)
    with no_row(world):
        is_refused_form(await post(visitor, "/select-account", filled_in(visitor.page, button), headers))


@pytest.mark.parametrize("csrf", ["", "x", "A" * 44, "A" * 5_000, "é"])
async def test_LG_01_a_form_without_its_token_is_refused(world: World, csrf: str) -> None:
    signing_in, consenting = await at_sign_in(world), await at_consent(world)
    seen = len(world.passwords.verified)
    with no_row(world):
        fields = filled_in(signing_in.page, "login-submit", username="erin", password=PASSWORD, csrf=csrf)
        is_refused_form(await post(signing_in, "/sign-in", fields))
        is_refused_form(
            await post(consenting, "/consent", filled_in(consenting.page, "consent-allow", csrf=csrf))
        )
    assert len(world.passwords.verified) == seen


async def test_LG_01_cancel_and_deny_need_the_token_too(world: World) -> None:
    signing_in, consenting = await at_sign_in(world), await at_consent(world)
    is_refused_form(await post(signing_in, "/sign-in", filled_in(signing_in.page, "login-cancel", csrf="")))
    is_refused_form(await post(consenting, "/consent", filled_in(consenting.page, "consent-deny", csrf="")))


# ------------------------------------------------------------ LG-02: the attacker's credentials


async def test_LG_02_the_attackers_form_in_the_victims_browser_is_refused(world: World) -> None:
    attacker, victim = await at_sign_in(world), await at_sign_in(world)
    theirs = filled_in(attacker.page, "login-submit", username="mona", password=PASSWORD)
    with no_row(world):
        is_refused_form(await post(victim, "/sign-in", theirs))
        is_refused_form(await post(Visitor(world), "/sign-in", theirs))
    mixed = filled_in(victim.page, "login-submit", username="mona", password=PASSWORD, csrf=theirs["csrf"])
    is_refused_form(await post(victim, "/sign-in", mixed))
    assert SESSION not in victim.http.cookies


async def test_LG_02_the_token_is_of_one_interaction(world: World) -> None:
    visitor = await at_sign_in(world)
    first = filled_in(visitor.page, "login-submit", username="erin", password=PASSWORD)
    await visitor.authorize()
    second = filled_in(visitor.page, "login-submit", username="erin", password=PASSWORD)
    is_refused_form(await post(visitor, "/sign-in", first | {"csrf": second["csrf"]}))


# ------------------------------------------------------------ LG-04: flags


async def test_LG_04_cookies_have_every_protection(world: World) -> None:
    visitor = Visitor(world)
    first = await visitor.http.get("/authorize", params=authorize_parameters(), headers=BROWSER)
    visitor.response = await visitor.http.get(first.headers["location"], headers=BROWSER)
    fields = filled_in(visitor.page, "login-submit", username="erin", password=PASSWORD)
    signed_in = await post(visitor, "/sign-in", fields)
    for answer, name in ((first, BINDING), (signed_in, SESSION)):
        [cookie] = answer.headers.get_list("set-cookie")
        value = re.escape(cookie.partition(";")[0].partition("=")[2])
        assert re.fullmatch(f"{name}={value}; Path=/; HttpOnly; SameSite=Lax; Secure", cookie)
        assert name.startswith("__Host-")


async def test_LG_04_on_loopback_cookies_do_without_https_and_nothing_else() -> None:
    world = await a_world(issuer="http://localhost:9000", dev=True)
    visitor = Visitor(world)
    answer = await visitor.http.get("/authorize", params=authorize_parameters(), headers=BROWSER)
    [cookie] = answer.headers.get_list("set-cookie")
    assert re.fullmatch(r"innkeeper-browser-[0-9a-f]{8}=[\w-]{22}; Path=/; HttpOnly; SameSite=Lax", cookie)


# ------------------------------------------------------------ LG-07: each in the place of every other


async def values(world: World) -> dict[str, str]:
    """One of everything that we sign, seal or hand out as a secret, all of one person in one browser."""
    visitor, settings = await at_sign_in(world, **CONSENT), world.services.settings
    signing_in = dict(visitor.page.fields)
    await visitor.sign_in()
    consenting = dict(visitor.page.fields)
    await visitor.submit("consent-allow")
    spare = visitor.answer()["code"]
    answered = (await redeem(world, await visitor.code(), "web")).json()
    for_api = (await redeem(world, await visitor.code(**FOR_API), "web")).json()
    link, key = new_handle(world.services.entropy, "ik_ln_", START)
    ends_at = world.clock.now().replace(year=2031)
    record = OneTimeLink(key=key, purpose="first_administrator", expires_at=ends_at)
    await world.services.store.links.create(record, events=())
    return {
        "interaction": signing_in["interaction"],
        "csrf of sign-in": signing_in["csrf"],
        "csrf of consent": consenting["csrf"],
        "browser cookie": visitor.http.cookies[cookies.browser_cookie_name(settings)],
        "session cookie": visitor.http.cookies[cookies.session_cookie_name(settings)],
        "code": spare,
        "opaque access token": answered["access_token"],
        "JWT access token": for_api["access_token"],
        "ID token": answered["id_token"],
        "link": link,
    }


def in_browser(world: World, known: dict[str, str], **others: str) -> Visitor:
    """A browser with these cookies."""
    visitor = Visitor(world)
    binding, session = (
        others.get("binding", known["browser cookie"]),
        others.get("session", known["session cookie"]),
    )
    visitor.http.headers["cookie"] = f"{BINDING}={binding}; {SESSION}={session}"
    return visitor


async def as_interaction(world: World, known: dict[str, str], value: str) -> bool:
    visitor = in_browser(world, known, session="none")
    answers = [
        await visitor.http.get(path, params={"interaction": value}, headers=BROWSER)
        for path in ("/sign-in", "/select-account", "/consent")
    ]
    return any(answer.status_code != 400 for answer in answers)


async def as_csrf_of_sign_in(world: World, known: dict[str, str], value: str) -> bool:
    visitor = in_browser(world, known, session="none")
    fields = {"interaction": known["interaction"], "csrf": value, "action": "cancel"}
    return (await post(visitor, "/sign-in", fields)).status_code != 403


async def as_browser_cookie(world: World, known: dict[str, str], value: str) -> bool:
    visitor = in_browser(world, known, binding=value)
    answer = await visitor.http.get("/sign-in", params={"interaction": known["interaction"]}, headers=BROWSER)
    return answer.status_code != 400


async def as_session_cookie(world: World, known: dict[str, str], value: str) -> bool:
    visitor = in_browser(world, known, session=value)
    await visitor.authorize(prompt="none")
    return "code" in visitor.answer()


async def as_code(world: World, known: dict[str, str], value: str) -> bool:
    return (await redeem(world, value, "paycheck")).status_code == 200


async def as_access_token(world: World, known: dict[str, str], value: str) -> bool:
    return (await userinfo(world, value)).status_code == 200


async def as_link(world: World, known: dict[str, str], value: str) -> bool:
    return (await world.http().get("/setup", params={"link": value}, headers=BROWSER)).status_code == 200


PLACES: dict[str, tuple[Callable[[World, dict[str, str], str], Awaitable[bool]], set[str]]] = {
    "interaction": (as_interaction, {"interaction"}),
    "csrf": (as_csrf_of_sign_in, {"csrf of sign-in"}),
    "browser cookie": (as_browser_cookie, {"browser cookie"}),
    "session cookie": (as_session_cookie, {"session cookie"}),
    "code": (as_code, {"code"}),
    "access token": (as_access_token, {"opaque access token", "JWT access token"}),
    "link": (as_link, {"link"}),
}


@pytest.mark.parametrize(("accepts", "good"), PLACES.values(), ids=PLACES.keys())
async def test_LG_07_no_value_is_taken_in_the_place_of_another(
    world: World, accepts: Callable[[World, dict[str, str], str], Awaitable[bool]], good: set[str]
) -> None:
    known = await values(world)
    assert {name for name, value in known.items() if await accepts(world, known, value)} == good


@pytest.mark.parametrize("prefix", ["ik_ac_", "ik_at_", "ik_se_", "ik_ln_"])
@pytest.mark.parametrize("place", ["session cookie", "code", "access token", "link"])
async def test_LG_07_another_prefix_makes_no_other_handle(world: World, prefix: str, place: str) -> None:
    known = await values(world)
    accepts, good = PLACES[place]
    for name in ("session cookie", "code", "opaque access token", "link"):
        if name not in good:
            assert not await accepts(world, known, prefix + known[name][6:])


# ------------------------------------------------------------ LG-08: altered, old, foreign, planted


@pytest.mark.parametrize("place", ["interaction", "csrf", "session cookie", "browser cookie"])
async def test_LG_08_no_altered_value_is_taken(world: World, place: str) -> None:
    known = await values(world)
    accepts, good = PLACES[place]
    [name] = good
    value = known[name]
    for index in range(0, len(value), 1 if len(value) < 100 else 7):
        other = "B" if value[index] == "A" else "A"
        assert not await accepts(world, known, value[:index] + other + value[index + 1 :]), index
    for length in (0, 1, len(value) // 2, len(value) - 1):
        assert not await accepts(world, known, value[:length])
    assert not await accepts(world, known, value + "A")
    assert await accepts(world, known, value)


def with_master(world: World, *keys: tuple[int, bytes]) -> World:
    """The same server after its master secret was changed."""
    ring = MasterSecret(ring=tuple(MasterKey(key_id=number, value=Secret(value)) for number, value in keys))
    seals = Seals(ring, world.issuer, world.services.entropy.random)
    services = dataclasses.replace(world.services, seals=seals)
    return dataclasses.replace(world, services=services, asgi=app.create_app(services))


@pytest.mark.parametrize("place", ["interaction", "csrf"])
async def test_LG_08_what_an_old_key_made_is_good_as_long_as_the_ring_has_it(
    world: World, place: str
) -> None:
    known = await values(world)
    accepts, good = PLACES[place]
    [name] = good
    kept = with_master(world, (2, b"n" * 32), (1, MASTER.current.value.reveal()))
    assert await accepts(kept, known, known[name])
    forgotten = with_master(world, (2, b"n" * 32))
    assert not await accepts(forgotten, known, known[name])
    replaced = with_master(world, (1, b"n" * 32))
    assert not await accepts(replaced, known, known[name])


@pytest.mark.parametrize("place", PLACES.keys())
async def test_LG_08_another_deployments_values_are_worth_nothing(world: World, place: str) -> None:
    known, theirs = await values(world), await values(await a_world(issuer="https://id2.example.test"))
    accepts, good = PLACES[place]
    for name in good:
        assert not await accepts(world, known, theirs[name])


async def test_LG_08_a_planted_second_cookie_takes_nobodys_place(world: World) -> None:
    known = await values(world)
    visitor = Visitor(world)
    for planted in (
        f"{SESSION}={known['session cookie']}; {SESSION}=evil",
        f"{SESSION}=evil; {SESSION}={known['session cookie']}",
        f"{SESSION.removeprefix('__Host-')}={known['session cookie']}",
        f"__Secure-{SESSION.removeprefix('__Host-')}={known['session cookie']}",
        f"{SESSION.upper()}={known['session cookie']}",
    ):
        visitor.http.headers["cookie"] = planted
        await visitor.authorize(prompt="none")
        assert visitor.answer()["error"] == "login_required", planted
        is_sound(visitor.response)
