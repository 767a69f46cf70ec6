"""Attacks on signing out: who is signed out, who is asked first, where the browser goes, and what lives on."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from innkeeper.server.model.events import SessionEnded
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.attacks.authorizing import claims_of
from tests.attacks.hints import BAD_HINTS, a_hint, bad_hints
from tests.attacks.leaving import (
    BYE,
    METHODS,
    OUR_PAGE,
    SESSION,
    a_world_to_leave,
    is_signed_in,
    leave,
    session_of,
    sessions,
)
from tests.attacks.oracles import is_html, is_page, is_sound, keeps_secrets, no_row, rows, still_works
from tests.attacks.token_requests import FOR_API, redeem, tables, userinfo
from tests.attacks.token_requests import tokens as tokens_of
from tests.visitor import BROWSER, Visitor
from tests.world import ISSUER, SPA_CALLBACK, TIMESHEETS, World, code_form

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("method", METHODS)]


@pytest.fixture
async def world() -> World:
    return await a_world_to_leave()


async def arrived(world: World, username: str = "erin") -> tuple[Visitor, str]:
    """Signed in, with the ID token that `web` was given."""
    visitor = Visitor(world)
    return visitor, await a_hint(world, visitor, username)


def is_asked(visitor: Visitor) -> None:
    page = is_html(visitor.response, status=200)
    assert {"logout-confirm", "logout-cancel"} <= page.ids


def is_told(visitor: Visitor) -> None:
    """The page that says so, and a browser without a session."""
    is_html(visitor.response, status=200)
    assert '<body id="signed-out">' in visitor.response.text
    assert session_of(visitor) is None


def is_at(visitor: Visitor, address: str = BYE, state: str | None = None) -> None:
    """303 to exactly the registered address, with the state and nothing else."""
    is_sound(visitor.response)
    assert visitor.response.status_code == 303, visitor.response.text
    added = visitor.location.removeprefix(address)
    assert visitor.location.startswith(address) and parse_qsl(added[1:]) == (
        [] if state is None else [("state", state)]
    )


# ------------------------------------------------------------ the good roads


async def test_LO_00_the_app_that_knows_the_person_signs_them_out_at_once(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    session = session_of(visitor)
    await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE, state="a b&c=d")
    is_at(visitor, state="a b&c=d")
    assert session_of(visitor) is None and not await is_signed_in(world, session)
    [event] = [event for event in world.heard.events if isinstance(event, SessionEnded)]
    assert (event.client_id, event.user_id, event.sid) == ("web", "ik|erin", claims_of(hint)["sid"])
    assert [row.type for row in tables(world).audit].count("session.ended") == 1
    keeps_secrets(world, hint, session or "")


async def test_LO_00_a_registered_address_keeps_its_query(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=f"{BYE}?from=us", state="s")
    is_at(visitor, f"{BYE}?from=us", state="s")


async def test_LO_00_without_an_address_our_own_page_says_so(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    await leave(visitor, method, id_token_hint=hint, ui_locales="de")
    is_told(visitor)
    assert "Sie sind abgemeldet" in visitor.response.text
    assert hint not in str(visitor.response.request.url)


async def test_LO_00_a_hint_may_be_long_expired_and_its_session_gone(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    world.clock.advance(days=4)
    await visitor.code()
    assert sessions(world) == 1
    await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE)
    is_at(visitor)
    assert sessions(world) == 0


async def test_LO_00_a_second_app_or_a_second_press_finds_nothing_to_do(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    for _ in range(2):
        await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s")
        is_at(visitor, state="s")
    assert [row.type for row in tables(world).audit].count("session.ended") == 1


async def test_LO_00_a_person_with_a_name_for_one_sector_is_known_by_it(world: World, method: str) -> None:
    visitor = Visitor(world)
    own: dict[str, Any] = {"client_id": "pairwise", "redirect_uri": SPA_CALLBACK}
    form = code_form(await visitor.code(**own), **own)
    hint = (await world.http().post("/oauth/token", data=form)).json()["id_token"]
    assert claims_of(hint)["sub"] != "ik|erin"
    await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE)
    is_at(visitor)
    assert sessions(world) == 0


async def test_LO_00_nobody_is_asked_where_nobody_is_signed_in(world: World, method: str) -> None:
    visitor = Visitor(world)
    await leave(visitor, method)
    is_told(visitor)
    await leave(visitor, method, client_id="web", post_logout_redirect_uri=BYE, state="s")
    is_at(visitor, state="s")


# ------------------------------------------------------------ LO-01: without a hint


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_id": "web"},
        {"client_id": "web", "post_logout_redirect_uri": BYE, "state": "s"},
        {"logout_hint": "erin"},
    ],
)
async def test_LO_01_without_a_hint_the_person_is_asked(
    world: World, method: str, parameters: dict[str, str]
) -> None:
    visitor, _ = await arrived(world)
    session = session_of(visitor)
    with no_row(world):
        await leave(visitor, method, **parameters)
    is_asked(visitor)
    assert session_of(visitor) == session and await is_signed_in(world, session)
    await visitor.submit("logout-confirm")
    if "post_logout_redirect_uri" in parameters:
        is_at(visitor, state="s")
    else:
        is_told(visitor)
    assert session_of(visitor) is None and not await is_signed_in(world, session)


async def test_LO_01_the_sid_is_no_hint_that_signs_anybody_out(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    await leave(visitor, method, client_id="web", logout_hint=claims_of(hint)["sid"])
    is_asked(visitor)
    assert sessions(world) == 1


async def test_LO_01_who_stays_stays_and_goes_nowhere(world: World, method: str) -> None:
    visitor, _ = await arrived(world)
    session = session_of(visitor)
    await leave(visitor, method, client_id="web", post_logout_redirect_uri=BYE)
    with no_row(world):
        await visitor.submit("logout-cancel")
    is_html(visitor.response, status=200)
    assert await is_signed_in(world, session)


async def test_LO_01_an_image_on_another_site_signs_nobody_out(world: World, method: str) -> None:
    visitor, _ = await arrived(world)
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}
    with no_row(world):
        answer = await visitor.http.request(method, "/oidc/logout", headers=headers)
    is_sound(answer)
    assert not answer.headers.get_list("set-cookie") and sessions(world) == 1


async def test_LO_01_the_answer_needs_the_form_of_this_browser(world: World, method: str) -> None:
    visitor, _ = await arrived(world)
    await leave(visitor, method)
    fields = dict([*visitor.page.fields, visitor.page.buttons["logout-confirm"]])
    refused: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"csrf": ""}, {}),
        ({"csrf": "AAAA"}, {}),
        ({"request": ""}, {}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ]
    before = rows(world)
    for changes, headers in refused:
        body = str(httpx2.QueryParams(fields | changes)).encode()
        sent = BROWSER | {"origin": ISSUER, "content-type": "application/x-www-form-urlencoded"} | headers
        is_page(await visitor.http.post(OUR_PAGE, content=body, headers=sent), status=403)
    monas, _ = await arrived(world, "mona")
    body = str(httpx2.QueryParams(fields)).encode()
    sent = BROWSER | {"origin": ISSUER, "content-type": "application/x-www-form-urlencoded"}
    is_page(await monas.http.post(OUR_PAGE, content=body, headers=sent), status=403)
    assert before["sessions"].items() <= rows(world)["sessions"].items()


async def test_LO_01_whoever_signed_in_meanwhile_is_asked_anew(world: World, method: str) -> None:
    """Two tabs: the question was about erin, and mona is here now."""
    visitor, _ = await arrived(world)
    await leave(visitor, method)
    page_of_erin = visitor.response
    await visitor.authorize(prompt="login")
    await visitor.sign_in("mona")
    monas, visitor.response = session_of(visitor), page_of_erin
    await visitor.submit("logout-confirm")
    is_asked(visitor)
    assert "Mona Example" in visitor.response.text and await is_signed_in(world, monas)
    await visitor.submit("logout-confirm")
    is_told(visitor)
    assert not await is_signed_in(world, monas)


# ------------------------------------------------------------ LO-02: hints of others


@pytest.mark.parametrize("name", [name for name in BAD_HINTS if name != "JW-13 another app"])
async def test_LO_02_a_hint_that_is_not_ours_signs_nobody_out(world: World, method: str, name: str) -> None:
    visitor, good = await arrived(world)
    bad = bad_hints(world, good)[name]
    with no_row(world):
        await leave(visitor, method, id_token_hint=bad, client_id="web", post_logout_redirect_uri=BYE)
    is_asked(visitor)
    with no_row(world):
        await leave(visitor, method, id_token_hint=bad, post_logout_redirect_uri=BYE)
    is_page(visitor.response)
    assert sessions(world) == 1


async def test_LO_02_a_hint_about_somebody_else_signs_nobody_out(world: World, method: str) -> None:
    _, monas = await arrived(world, "mona")
    visitor, _ = await arrived(world)
    with no_row(world):
        await leave(visitor, method, id_token_hint=monas, post_logout_redirect_uri=BYE)
    is_asked(visitor)
    assert "Erin Example" in visitor.response.text and "Mona" not in visitor.response.text


async def test_LO_02_a_hint_that_was_made_for_another_app_is_none(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    with no_row(world):
        await leave(visitor, method, id_token_hint=hint, client_id="other")
    is_asked(visitor)
    with no_row(world):
        await leave(visitor, method, id_token_hint=hint, client_id="other", post_logout_redirect_uri=BYE)
    is_page(visitor.response)


async def test_LO_02_a_disabled_app_signs_nobody_out(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    await world.change("web", is_enabled=False)
    await leave(visitor, method, id_token_hint=hint)
    is_asked(visitor)
    await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE)
    is_page(visitor.response)
    assert sessions(world) == 1


@pytest.mark.parametrize(
    "twice", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"]
)
async def test_LO_02_nothing_may_come_twice(world: World, method: str, twice: str) -> None:
    visitor, hint = await arrived(world)
    pairs: list[tuple[str, Any]] = [
        ("id_token_hint", hint),
        ("client_id", "web"),
        ("post_logout_redirect_uri", BYE),
        ("state", "s"),
        ("ui_locales", "de"),
    ]
    pairs += [pair for pair in pairs if pair[0] == twice]
    query = str(httpx2.QueryParams(pairs))
    headers = BROWSER | {"content-type": "application/x-www-form-urlencoded"}
    with no_row(world):
        if method == "GET":
            is_page(await visitor.http.get(f"/oidc/logout?{query}", headers=headers))
        else:
            is_page(await visitor.http.post("/oidc/logout", content=query.encode(), headers=headers))
            both = await visitor.http.post(
                "/oidc/logout?client_id=web", content=b"client_id=web", headers=headers
            )
            is_page(both)


@pytest.mark.parametrize("handle", ["", "x", "A" * 200, "A" * 15_000, "\u00e9"])
async def test_LO_02_a_made_up_request_is_a_page(world: World, method: str, handle: str) -> None:
    visitor, _ = await arrived(world)
    with no_row(world):
        await visitor.get(f"{OUR_PAGE}?{httpx2.QueryParams({'request': handle})}")
    if handle:
        is_page(visitor.response)
    else:
        is_asked(visitor)


async def test_LO_02_too_much_is_a_page(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    with no_row(world):
        await leave(visitor, method, id_token_hint=hint, state="s" * 6200, post_logout_redirect_uri=BYE)
    is_page(visitor.response)


# ------------------------------------------------------------ LO-04: afterwards


async def gone(world: World, method: str, **parameters: Any) -> tuple[Visitor, dict[str, Any], str | None]:
    """Signed in, given tokens, signed out: the browser, the tokens, and the cookie that it had."""
    visitor = Visitor(world)
    answer = await redeem(world, await visitor.code(**parameters))
    assert answer.status_code == 200, answer.text
    given, session = answer.json(), session_of(visitor)
    await leave(visitor, method, id_token_hint=given["id_token"], post_logout_redirect_uri=BYE)
    is_at(visitor)
    return visitor, given, session


async def test_LO_04_the_cookie_opens_nothing_any_more(world: World, method: str) -> None:
    _, _, session = await gone(world, method)
    assert not await is_signed_in(world, session)


async def test_LO_04_silent_authentication_is_refused(world: World, method: str) -> None:
    visitor, _, _ = await gone(world, method)
    await visitor.authorize(prompt="none")
    assert visitor.answer()["error"] == "login_required"
    await visitor.authorize()
    assert "login-submit" in visitor.page.ids


@pytest.mark.parametrize("asked", [{}, FOR_API])
async def test_LO_04_what_was_not_allowed_for_later_ends(
    world: World, method: str, asked: dict[str, Any]
) -> None:
    _, given, _ = await gone(world, method, **asked)
    assert "refresh_token" not in given
    assert (await userinfo(world, given["access_token"])).status_code == 401


async def test_LO_04_what_was_allowed_for_when_the_person_is_away_goes_on(world: World, method: str) -> None:
    await world.change("web", grant_types=("authorization_code", "refresh_token"))
    scope = "openid offline_access read:timesheets"
    _, given, _ = await gone(world, method, scope=scope, audience=TIMESHEETS)
    assert (await userinfo(world, given["access_token"])).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    answer = await world.http().post("/oauth/token", data=form, auth=("web", "ik_cs_" + "s" * 43))
    assert answer.status_code == 200, answer.text


async def test_LO_04_a_code_that_was_not_redeemed_is_dead(world: World, method: str) -> None:
    visitor, hint = await arrived(world)
    code = await visitor.code()
    await leave(visitor, method, id_token_hint=hint)
    is_told(visitor)
    answer = await redeem(world, code)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_grant"


async def test_LO_04_a_page_from_before_gives_nothing(world: World, method: str) -> None:
    """The back button: the consent page was open when the person signed out in another tab."""
    visitor, hint = await arrived(world)
    await visitor.authorize(client_id="paycheck", audience=TIMESHEETS, scope="openid read:timesheets")
    consent = visitor.response
    assert "consent-allow" in visitor.page.ids
    await leave(visitor, method, id_token_hint=hint)
    visitor.response = consent
    codes = len(tables(world).codes)
    await visitor.submit("consent-allow")
    assert "login-submit" in visitor.page.ids
    assert len(tables(world).codes) == codes and not tables(world).consents


async def test_LO_04_other_browsers_stay_signed_in(world: World, method: str) -> None:
    phone, _ = await arrived(world)
    elsewhere = (await tokens_of(world))["access_token"]
    await gone(world, method)
    assert await is_signed_in(world, session_of(phone))
    assert (await userinfo(world, elsewhere)).status_code == 200


async def test_LO_04_the_next_person_at_the_computer_ends_what_the_first_one_left(
    world: World, method: str
) -> None:
    visitor = Visitor(world)
    erins = (await redeem(world, await visitor.code())).json()
    await visitor.authorize(prompt="login")
    await visitor.sign_in("mona")
    assert (await userinfo(world, erins["access_token"])).status_code == 401
    await leave(visitor, method, id_token_hint=erins["id_token"])
    is_asked(visitor)


async def test_LO_04_a_sign_out_that_could_not_be_stored_is_no_sign_out(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, hint = await arrived(world)
    session = session_of(visitor)

    async def away(*args: object, **values: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(type(world.services.store.sessions), "end", away)
        await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert visitor.response.status_code == 503 and not visitor.response.headers.get_list("set-cookie")
    assert session_of(visitor) == session and await is_signed_in(world, session)


async def test_LO_04_that_nobody_is_signed_in_any_more_is_not_said_before_it_is_safe(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first press may have been stored although it was told otherwise, and a failover may still lose it."""
    visitor, hint = await arrived(world)
    tables(world).sessions.clear()

    async def away(*args: object, **values: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(type(world.services.store.sessions), "end", away)
        await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert visitor.response.status_code == 503
    await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE)
    is_at(visitor)


async def test_LO_04_who_answers_the_question_too_late_is_not_told_before_it_is_safe(
    world: World, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, _ = await arrived(world)
    await leave(visitor, method)
    is_asked(visitor)
    tables(world).sessions.clear()

    async def away(*args: object, **values: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(type(world.services.store.sessions), "end", away)
        await visitor.submit("logout-confirm")
    assert visitor.response.status_code == 503


async def test_LO_04_signing_out_breaks_nothing(world: World, method: str) -> None:
    await gone(world, method)
    await still_works(world)


# ------------------------------------------------------------ B3: where to


UNREGISTERED = {
    "another host": "https://evil.example/bye",
    "another path": "https://web.example.test/bye/../cb",
    "a longer path": f"{BYE}/more",
    "a query": f"{BYE}?next=https://evil.example",
    "a fragment": f"{BYE}#x",
    "upper case": BYE.replace("web", "WEB"),
    "a slash": f"{BYE}/",
    "a port": BYE.replace(".test", ".test:443"),
    "a user": BYE.replace("https://", "https://web.example.test@evil.example/"),
    "percent": BYE.replace("bye", "by%65"),
    "a script": "javascript:alert(1)",
    "data": "data:text/html,x",
    "relative": "/bye",
    "protocol-relative": "//evil.example/bye",
    "the callback": "https://web.example.test/cb",
    "another app's": "https://other.example.test/bye",
    "a suffix": BYE.replace("web.example.test", "web.example.test.evil.example"),
    "the empty host": "https:///bye",
}


@pytest.mark.parametrize("name", UNREGISTERED)
async def test_B3_nobody_goes_where_the_app_has_not_registered(world: World, method: str, name: str) -> None:
    address = UNREGISTERED[name]
    for with_hint in (True, False):
        visitor, hint = await arrived(world)
        session = session_of(visitor)
        identified = {"id_token_hint": hint} if with_hint else {"client_id": "web"}
        with no_row(world):
            await leave(visitor, method, post_logout_redirect_uri=address, state="s", **identified)
        page = is_page(visitor.response)
        assert "evil.example" not in "".join(value for _, value in page.fields)
        assert f'href="{OUR_PAGE}"' in visitor.response.text
        assert await is_signed_in(world, session)


@pytest.mark.parametrize(
    ("client_id", "address"),
    [
        (None, BYE),
        ("nobody", BYE),
        ("disabled", "https://disabled.example.test/bye"),
        ("other", BYE),
        ("cron", BYE),
    ],
)
async def test_B3_an_address_needs_the_app_it_belongs_to(
    world: World, method: str, client_id: str | None, address: str
) -> None:
    for visitor in ((await arrived(world))[0], Visitor(world)):
        with no_row(world):
            await leave(visitor, method, client_id=client_id, post_logout_redirect_uri=address)
        is_page(visitor.response)


async def test_B3_an_address_that_is_taken_back_meanwhile_is_refused(world: World, method: str) -> None:
    visitor, _ = await arrived(world)
    await leave(visitor, method, client_id="web", post_logout_redirect_uri=BYE)
    is_asked(visitor)
    await world.change("web", post_logout_redirect_uris=())
    await visitor.submit("logout-confirm")
    is_page(visitor.response)
    assert sessions(world) == 1


async def test_B3_a_person_can_sign_out_from_the_error_page(world: World, method: str) -> None:
    visitor, _ = await arrived(world)
    await leave(visitor, method, client_id="web", post_logout_redirect_uri="https://evil.example/")
    await visitor.get(OUR_PAGE)
    is_asked(visitor)
    await visitor.submit("logout-confirm")
    is_told(visitor)


async def test_B3_the_state_cannot_add_parameters_or_headers(world: World, method: str) -> None:
    for state in ("x&code=1", "x#f", "x\r\nset-cookie: a=b", 'x"', "é\u202e"):
        visitor, hint = await arrived(world)
        await leave(visitor, method, id_token_hint=hint, post_logout_redirect_uri=BYE, state=state)
        is_at(visitor, state=state)
        assert set(urlsplit(visitor.location).fragment) == set()
        assert visitor.response.headers.get_list("set-cookie") == [
            f"{SESSION}=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0"
        ]


# ------------------------------------------------------------ B10, XS: the pages


async def test_B10_no_page_of_signing_out_can_be_framed(world: World, method: str) -> None:
    visitor, _ = await arrived(world)
    await leave(visitor, method, client_id="web", post_logout_redirect_uri=BYE)
    is_asked(visitor)
    policy = visitor.response.headers["content-security-policy"]
    assert "form-action 'self' https:" in policy and "script-src" not in policy
    await visitor.submit("logout-cancel")
    is_html(visitor.response, status=200)
    await visitor.get(OUR_PAGE)
    await visitor.submit("logout-confirm")
    is_told(visitor)


async def test_XS_01_names_and_parameters_stay_text(world: World, method: str) -> None:
    from tests.attacks.test_XS_pages import POLYGLOTS

    for polyglot in POLYGLOTS:
        await world.change("web", name=polyglot)
        visitor, _ = await arrived(world)
        await leave(visitor, method, client_id="web", post_logout_redirect_uri=BYE, state=polyglot)
        page = is_html(visitor.response, status=200, sent=[polyglot])
        assert page.ids & {"logout-confirm"}
        for name in ("post_logout_redirect_uri", "client_id", "id_token_hint", "ui_locales", "logout_hint"):
            await leave(visitor, method, **({"client_id": "web"} | {name: polyglot}))
            assert visitor.response.status_code in (200, 400)
            is_html(visitor.response, status=visitor.response.status_code, sent=[polyglot])
