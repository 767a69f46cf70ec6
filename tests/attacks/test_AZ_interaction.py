"""AZ: the sealed handle of a pending request, altered, carried to another browser, or used too late."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from innkeeper.jose import base64url
from tests.attacks.oracles import is_html, is_page, no_row, redirected, rows, still_works
from tests.visitor import BROWSER, Visitor
from tests.world import PASSWORD, WEB_CALLBACK, World, a_world, authorize_parameters

PAGES = ("/sign-in", "/select-account", "/consent")
ACTIONS = ("sign_in", "cancel", "continue", "switch", "allow", "deny")


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    made = await a_world()
    yield made
    await still_works(made)


def handle_of(visitor: Visitor) -> str:
    """The one in the form of the page that is shown."""
    return dict(visitor.page.fields)["interaction"]


def flipped(handle: str, at: int, bit: int = 1) -> str:
    """One bit of the sealed bytes turned; the base64url stays canonical."""
    sealed = bytearray(base64url.decode(handle))
    sealed[at] ^= bit
    return base64url.encode(bytes(sealed))


async def post(visitor: Visitor, page: str, **fields: str) -> httpx2.Response:
    """A form with these fields, as the visitor's browser sends those of our pages."""
    headers = BROWSER | {"origin": visitor.world.issuer}
    return await visitor.http.post(page, data=fields, headers=headers)


async def signing_in(world: World, **parameters: str) -> Visitor:
    visitor = Visitor(world)
    await visitor.authorize(**parameters)
    return visitor


async def consenting(world: World) -> Visitor:
    visitor = await signing_in(world, client_id="paycheck")
    await visitor.sign_in()
    assert "consent-allow" in visitor.page.ids
    return visitor


async def choosing(world: World) -> Visitor:
    visitor = Visitor(world)
    await visitor.code()
    await visitor.authorize(prompt="select_account")
    assert "account-continue" in visitor.page.ids
    return visitor


async def on_page(world: World, page: str) -> Visitor:
    """Somebody who looks at it."""
    roads = {"/sign-in": signing_in, "/select-account": choosing, "/consent": consenting}
    return await roads[page](world)


# ------------------------------------------------------------ AZ-25 altered


@pytest.mark.parametrize("page", PAGES)
async def test_AZ_25_a_handle_with_any_byte_altered_opens_nothing(world: World, page: str) -> None:
    visitor = await on_page(world, page)
    handle = handle_of(visitor)
    size = len(base64url.decode(handle))
    with no_row(world):
        for at in [*range(48), *range(48, size, 17), size - 1]:
            for bit in (1, 128):
                changed = {"interaction": flipped(handle, at, bit)}
                is_page(await visitor.http.get(page, params=changed, headers=BROWSER))
    is_html(await visitor.http.get(page, params={"interaction": handle}, headers=BROWSER), status=200)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "change",
    ["cut", "half", "one", "longer", "padded", "plus", "twice", "space", "dot", "huge", "csrf", "not ASCII"],
)
async def test_AZ_25_a_handle_of_another_shape_opens_nothing(world: World, page: str, change: str) -> None:
    visitor = await signing_in(world)
    handle, csrf = handle_of(visitor), dict(visitor.page.fields)["csrf"]
    changed = {
        "cut": handle[:-4], "half": handle[: len(handle) // 2], "one": handle[:1], "longer": handle + "AAAA",
        "padded": handle + "=", "plus": "+" + handle[1:], "twice": handle * 2, "space": f"{handle} ",
        "dot": f"{handle}.", "huge": "A" * 15_000, "csrf": csrf, "not ASCII": "\u00e9" + handle[1:],
    }[change]  # fmt: skip
    with no_row(world):
        is_page(await visitor.http.get(page, params={"interaction": changed}, headers=BROWSER))
        for action in ACTIONS:
            fields = {"interaction": changed, "csrf": csrf, "action": action, "scope": "openid"}
            refused = await post(visitor, page, **fields, username="erin", password=PASSWORD)
            is_page(refused, status=refused.status_code)
            assert refused.status_code in (400, 403)


@pytest.mark.parametrize("field", ["csrf", "interaction"])
@pytest.mark.parametrize(
    "change", ["missing", "empty", "flipped first", "flipped last", "cut", "other page's"]
)
async def test_AZ_25_a_hidden_field_that_was_altered_is_refused(
    world: World, field: str, change: str
) -> None:
    visitor, other = await consenting(world), await signing_in(world)
    fields = {name: value for name, value in visitor.page.fields if name in ("csrf", "interaction")}
    value = fields.pop(field)
    changed = {
        "empty": "", "flipped first": flipped(value, 0), "flipped last": flipped(value, -1),
        "cut": value[:-4], "other page's": dict(other.page.fields)[field],
    }  # fmt: skip
    if change != "missing":
        fields[field] = changed[change]
    with no_row(world):
        is_page(await post(visitor, "/consent", **fields, action="allow", scope="openid"), status=403)
        is_page(await post(visitor, "/consent", **fields, action="deny"), status=403)


@pytest.mark.parametrize("value", ["", "x", "A" * 22, None])
async def test_AZ_25_another_value_of_the_browsers_cookie_opens_nothing(
    world: World, value: str | None
) -> None:
    visitor = await signing_in(world)
    url = str(visitor.response.request.url)
    (name,) = [cookie for cookie in visitor.http.cookies if "browser" in cookie]
    sent = {"cookie": f"{name}={value}"} if value is not None else {}
    with no_row(world):
        answer = await world.http().get(url, headers=BROWSER | sent)
    is_page(answer)


async def test_AZ_25_a_planted_second_cookie_opens_nothing(world: World) -> None:
    visitor = await signing_in(world)
    ((name, value),) = [pair for pair in visitor.http.cookies.items() if "browser" in pair[0]]
    for cookies in (f"{name}={value}; {name}=planted", f"{name}=planted; {name}={value}"):
        url = str(visitor.response.request.url)
        with no_row(world):
            is_page(await world.http().get(url, headers=BROWSER | {"cookie": cookies}))


async def test_AZ_25_the_seal_of_another_deployment_opens_nothing(world: World) -> None:
    """Same master secret, another issuer: the issuer is part of the key."""
    elsewhere = await a_world(issuer="https://other-id.example.test")
    foreign = await signing_in(elsewhere)
    ((_, value),) = [pair for pair in foreign.http.cookies.items() if "browser" in pair[0]]
    visitor = await signing_in(world)
    ((name, _),) = [pair for pair in visitor.http.cookies.items() if "browser" in pair[0]]
    answer = await world.http().get(
        "/sign-in",
        params={"interaction": handle_of(foreign)},
        headers=BROWSER | {"cookie": f"{name}={value}"},
    )
    is_page(answer)


# ------------------------------------------------------------ AZ-26 another browser


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("second", ["without cookies", "with a request of its own", "signed in"])
async def test_AZ_26_a_request_of_one_browser_is_not_finished_in_another(
    world: World, page: str, second: str
) -> None:
    attacker = await on_page(world, page)
    victim = Visitor(world)
    if second == "with a request of its own":
        await victim.authorize()
    elif second == "signed in":
        await victim.code("mona")
    fields = dict(attacker.page.fields)
    with no_row(world):
        is_page(await victim.http.get(str(attacker.response.request.url), headers=BROWSER))
        for action in ACTIONS:
            sent = fields | {"action": action, "username": "mona", "password": PASSWORD}
            is_page(await post(victim, page, **sent), status=403)


async def test_AZ_26_a_session_without_the_browsers_cookie_answers_no_question(world: World) -> None:
    visitor = await consenting(world)
    fields = dict(visitor.page.fields)
    for name in [name for name in visitor.http.cookies if "browser" in name]:
        visitor.http.cookies.delete(name)
    with no_row(world):
        is_page(await post(visitor, "/consent", **fields, action="allow"), status=403)


async def test_AZ_26_the_browsers_cookie_is_not_replaced_while_something_is_pending(world: World) -> None:
    """Two tabs, finished in reverse order, both come home."""
    first = await signing_in(world, state="first")
    second = Visitor(world)
    second.http = first.http
    await second.authorize(state="second")
    await second.sign_in()
    assert redirected(second.response)["state"] == "second"
    await first.sign_in()
    assert redirected(first.response)["state"] == "first"


# ------------------------------------------------------------ AZ-28 too late


@pytest.mark.parametrize("button", ["login-submit", "login-cancel"])
async def test_AZ_28_a_sign_in_page_that_was_open_too_long_starts_again(button: str) -> None:
    world = await a_world()
    visitor = await signing_in(world, state="s")
    url = str(visitor.response.request.url)
    world.clock.advance(seconds=3599)
    is_html(await visitor.http.get(url, headers=BROWSER), status=200)
    world.clock.advance(seconds=1)
    with no_row(world):
        expired = await visitor.submit(button, username="erin", password=PASSWORD)
        page = is_page(expired)
        is_page(await visitor.http.get(url, headers=BROWSER))
    assert "expired" in page.html
    await start_again(visitor, page.html)
    await visitor.sign_in()
    assert redirected(visitor.response)["state"] == "s"


@pytest.mark.parametrize("button", ["consent-allow", "consent-deny"])
async def test_AZ_28_a_question_ends_ten_minutes_after_the_sign_in(button: str) -> None:
    world = await a_world()
    visitor = await consenting(world)
    shown, page = visitor.response, visitor.page
    world.clock.advance(seconds=599)
    is_html(await visitor.http.get(str(shown.request.url), headers=BROWSER), status=200)
    world.clock.advance(seconds=1)
    with no_row(world):
        fields = dict(page.fields) | dict([page.buttons[button]])
        is_page(await post(visitor, "/consent", **fields))
        is_page(await visitor.http.get(str(shown.request.url), headers=BROWSER))


async def test_AZ_28_looking_at_a_page_again_does_not_prolong_it() -> None:
    world = await a_world()
    again = await consenting(world)
    world.clock.advance(seconds=300)
    await again.get(f"/consent?interaction={handle_of(again)}")
    world.clock.advance(seconds=300)
    with no_row(world):
        is_page(await again.get(f"/consent?interaction={handle_of(again)}"))


async def test_AZ_28_the_way_back_is_the_apps_own_page_where_it_has_one() -> None:
    world = await a_world()
    await world.change("web", initiate_login_uri="https://web.example.test/login")
    visitor = await signing_in(world)
    world.clock.advance(hours=2)
    page = is_page(await visitor.submit("login-submit", username="erin", password=PASSWORD))
    assert 'href="https://web.example.test/login"' in page.html


async def test_AZ_28_an_expired_request_restarts_no_disabled_app() -> None:
    world = await a_world()
    visitor = await signing_in(world)
    await world.change("web", is_enabled=False)
    world.clock.advance(hours=2)
    page = is_page(await visitor.submit("login-submit", username="erin", password=PASSWORD))
    await start_again(visitor, page.html)
    is_page(visitor.response)
    assert not rows(world)["sessions"]


async def start_again(visitor: Visitor, html: str) -> None:
    """Follows the restart link, which holds the request and nothing of its progress."""
    link = html.partition('class="button primary" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert link.startswith("/authorize?")
    sent = parse_qs(urlsplit(link).query)
    assert sent.keys() == authorize_parameters().keys() and sent["redirect_uri"] == [WEB_CALLBACK]
    await visitor.get(link)
