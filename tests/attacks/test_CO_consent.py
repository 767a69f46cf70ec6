"""CO: nobody is passed by, and nobody's answer is taken for another's (R-CN, RFC 9700 §4.16, RFC 8252 §8.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ClientId, Subject
from tests.attacks.oracles import is_html, is_page, is_redirect_error, no_row, redirected, rows, still_works
from tests.visitor import BROWSER, Visitor
from tests.world import TIMESHEETS, World, a_client, a_world

ASKED = {
    "client_id": "paycheck",
    "audience": str(TIMESHEETS),
    "scope": "openid profile read:timesheets create:timesheets",
}
NATIVE_CALLBACKS = ("http://127.0.0.1:50001/callback", "com.example.app:/cb")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await a_world()
    yield made
    await still_works(made)


async def asked(world: World, username: str = "erin", **changes: str) -> Visitor:
    """Somebody who has signed in and looks at the consent page."""
    visitor = Visitor(world)
    await visitor.authorize(**(ASKED | changes))
    await visitor.sign_in(username)
    assert "consent-allow" in visitor.page.ids, visitor.response.text
    return visitor


def consents(world: World) -> dict[tuple[str, str | None], set[str]]:
    """What has been allowed, by person and API."""
    return {
        (str(user_id), api): set(row.scope)
        for (user_id, _, api), row in rows(world)["consents"].items()
        if row.scope
    }


async def post(visitor: Visitor, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
    """The consent form with these fields; what is None is left out."""
    given = dict(visitor.page.fields) | {"action": "allow"} | fields
    data = {name: value for name, value in given.items() if value is not None}
    default = {"sec-fetch-site": "same-origin", "origin": visitor.world.issuer}
    return await visitor.http.post("/consent", data=data, headers=default if headers is None else headers)


# ------------------------------------------------------------ prompt=none, prompt=consent


async def test_CO_01_a_silent_request_for_what_was_never_allowed_is_refused(world: World) -> None:
    visitor = Visitor(world)
    await visitor.code()
    with no_row(world):
        response = await visitor.authorize(**ASKED, prompt="none", state="s")
    is_redirect_error(response, "consent_required", state="s")


@pytest.mark.parametrize(
    "scope", ["openid profile email", "openid profile read:timesheets create:timesheets"]
)
async def test_CO_02_a_silent_request_for_more_than_was_allowed_grants_nothing(
    world: World, scope: str
) -> None:
    visitor = await asked(world, scope="openid profile read:timesheets")
    await visitor.submit("consent-allow")
    with no_row(world):
        response = await visitor.authorize(**(ASKED | {"scope": scope}), prompt="none", state="s")
    is_redirect_error(response, "consent_required", state="s")


async def test_CO_02_a_silent_request_for_less_is_answered(world: World) -> None:
    visitor = await asked(world)
    await visitor.submit("consent-allow")
    await visitor.authorize(**(ASKED | {"scope": "openid read:timesheets"}), prompt="none")
    assert "code" in redirected(visitor.response)


async def test_CO_02_what_one_person_allowed_one_app_counts_for_no_other(world: World) -> None:
    allowed = await asked(world)
    await allowed.submit("consent-allow")
    mona = Visitor(world)
    await mona.authorize(**ASKED)
    await mona.sign_in("mona")
    assert "consent-allow" in mona.page.ids
    record = a_client("rival", is_first_party=False)
    await world.services.store.clients.create(record, events=())
    await world.services.registry.refresh()
    with no_row(world):
        response = await allowed.authorize(client_id="rival", prompt="none", state="s")
    is_redirect_error(response, "consent_required", state="s")


@pytest.mark.parametrize(
    "prompt",
    [
        "none login", "login none", "none consent", "create none", "none none", "create", "create login",
        "none select_account", "NONE", "x",
    ],
)  # fmt: skip
async def test_CO_11_prompts_that_contradict_or_are_unknown_are_refused(world: World, prompt: str) -> None:
    visitor = Visitor(world)
    with no_row(world):
        response = await visitor.authorize(prompt=prompt, state="s")
    is_redirect_error(response, "invalid_request", state="s")


async def test_CO_11_a_silent_request_never_shows_a_page(world: World) -> None:
    """Whatever is missing: sign-in, consent, confirmation."""
    visitor = Visitor(world)
    is_redirect_error(await visitor.authorize(prompt="none", state="s"), "login_required", state="s")
    await visitor.code()
    for uri in NATIVE_CALLBACKS:
        response = await visitor.authorize(client_id="native", redirect_uri=uri, prompt="none", state="s")
        is_redirect_error(response, "interaction_required", redirect_uri=uri, state="s")


async def test_CO_11_prompt_consent_asks_again_and_the_new_answer_counts(world: World) -> None:
    visitor = await asked(world)
    await visitor.submit("consent-allow")
    await visitor.authorize(**ASKED, prompt="consent")
    assert set(visitor.page.scopes) == set(ASKED["scope"].split())
    await visitor.submit("consent-allow", untick=("create:timesheets", "profile"))
    code = redirected(visitor.response)["code"]
    granted = next(iter(reversed(rows(world)["grants"].values()))).scope
    assert code and set(granted) == {"openid", "read:timesheets"}


# ------------------------------------------------------------ whose answer it is


async def test_CO_04_a_page_shown_to_one_person_takes_no_answer_from_another(world: World) -> None:
    """erin's consent page is open in one tab while mona signs in in another of the same browser."""
    erin = await asked(world)
    tab = Visitor(world)
    tab.http = erin.http
    await tab.authorize(prompt="login")
    await tab.sign_in("mona")
    before = rows(world)
    answer = await post(erin, scope=["openid", "profile", "read:timesheets", "create:timesheets"])
    assert rows(world)["consents"] == before["consents"] == {}
    assert rows(world)["codes"] == before["codes"]
    assert answer.status_code == 303 and answer.headers["location"].startswith("/consent?")
    await erin.get(answer.headers["location"])
    assert "Mona Example" in erin.response.text and "Erin Example" not in erin.response.text


async def test_CO_04_an_answer_that_was_given_before_is_not_another_persons(world: World) -> None:
    """The same request goes on with what was recorded, but only for the person who answered."""
    erin = await asked(world)
    tab = Visitor(world)
    tab.http = erin.http
    question = str(erin.response.request.url)
    await erin.submit("consent-allow")
    await tab.authorize(prompt="login")
    await tab.sign_in("mona")
    await tab.get(question)
    assert "consent-allow" in tab.page.ids
    assert not any(user == "ik|mona" for user, _ in consents(world))


async def test_CO_04_a_confirmation_page_shown_to_one_person_is_not_anothers(world: World) -> None:
    erin, uri = Visitor(world), NATIVE_CALLBACKS[0]
    await erin.code()
    await erin.authorize(client_id="native", redirect_uri=uri)
    tab = Visitor(world)
    tab.http = erin.http
    await tab.authorize(prompt="login")
    await tab.sign_in("mona")
    before = rows(world)["codes"]
    answer = await post(erin)
    assert rows(world)["codes"] == before
    assert answer.headers["location"].startswith("/consent?")


async def test_CO_04_a_person_who_signed_out_meanwhile_is_asked_to_sign_in(world: World) -> None:
    visitor = await asked(world)
    page = visitor.page
    for name in [name for name in visitor.http.cookies if "session" in name]:
        visitor.http.cookies.delete(name)
    with no_row(world):
        answer = await visitor.http.post(
            "/consent", data=dict(page.fields) | {"action": "allow"}, headers=BROWSER
        )
    assert answer.headers["location"].startswith("/sign-in?")


@pytest.mark.parametrize("change", ["disabled", "ended"])
async def test_CO_04_a_person_who_was_disabled_meanwhile_allows_nothing(world: World, change: str) -> None:
    visitor = await asked(world, "mona")
    await world.change_user("mona", **({"is_enabled": False} if change == "disabled" else {"epoch": 2}))
    with no_row(world):
        await post(visitor)
    assert not rows(world)["consents"]


async def test_CO_08_what_one_app_was_allowed_is_nothing_to_another_that_calls_itself_the_same(
    world: World,
) -> None:
    visitor = await asked(world)
    await visitor.submit("consent-allow")
    known = await world.services.registry.client(ClientId("paycheck"))
    assert known is not None
    twin = msgspec.structs.replace(known, client_id=ClientId("paycheck-2"))
    await world.services.store.clients.create(twin, events=())
    with no_row(world):
        await visitor.authorize(**ASKED | {"client_id": "paycheck-2"})
        assert "consent-allow" in visitor.page.ids
        response = await visitor.authorize(**ASKED | {"client_id": "paycheck-2"}, prompt="none", state="s")
        is_redirect_error(response, "consent_required", state="s")


# ------------------------------------------------------------ who posts it

FOREIGN: dict[str, dict[str, str]] = {
    "foreign origin": {"origin": "https://evil.example"},
    "null origin": {"origin": "null"},
    "the app's origin": {"origin": "https://web.example.test"},
    "http origin": {"origin": "http://id.example.test"},
    "origin with port": {"origin": "https://id.example.test:8443"},
    "origin with suffix": {"origin": "https://id.example.test.evil.example"},
    "cross-site": {"sec-fetch-site": "cross-site"},
    "same-site": {"sec-fetch-site": "same-site"},
    "cross-site with our origin": {"sec-fetch-site": "cross-site", "origin": "https://id.example.test"},
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("action", ["allow", "deny"])
async def test_CO_05_an_answer_posted_from_elsewhere_is_refused(world: World, kind: str, action: str) -> None:
    visitor = await asked(world)
    with no_row(world):
        is_page(await post(visitor, FOREIGN[kind], action=action), status=403)


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "wrong", "of the sign-in form", "of another browser", "of another request"]
)
async def test_CO_05_an_answer_without_its_own_token_is_refused(world: World, kind: str) -> None:
    visitor, other = await asked(world), await asked(world, "mona")
    signing_in = Visitor(world)
    signing_in.http = visitor.http
    await signing_in.authorize(prompt="login")
    again = Visitor(world)
    again.http = visitor.http
    await again.authorize(**(ASKED | {"scope": "openid read:timesheets"}))
    token = {
        "missing": None,
        "empty": "",
        "wrong": "A" * 44,
        "of the sign-in form": dict(signing_in.page.fields)["csrf"],
        "of another browser": dict(other.page.fields)["csrf"],
        "of another request": dict(again.page.fields)["csrf"],
    }[kind]
    with no_row(world):
        is_page(await post(visitor, csrf=token), status=403)
        is_page(await post(visitor, csrf=token, action="deny"), status=403)


async def test_CO_05_a_link_answers_no_question(world: World) -> None:
    visitor = await asked(world)
    fields = dict(visitor.page.fields) | {"action": "allow", "scope": "openid"}
    with no_row(world):
        response = await visitor.http.get("/consent", params=fields, headers=BROWSER)
    is_html(response, status=200)


@pytest.mark.parametrize("action", ["", "ALLOW", "allow ", "yes", None])
async def test_CO_05_no_other_word_than_allow_allows(world: World, action: str | None) -> None:
    visitor = await asked(world)
    with no_row(world):
        response = await post(visitor, action=action)
    assert "location" not in response.headers


# ------------------------------------------------------------ what is allowed


async def test_CO_10_a_scope_that_was_added_later_is_asked_for_alone(world: World) -> None:
    visitor = await asked(world)
    await visitor.submit("consent-allow")
    wider = ("read:timesheets", "create:timesheets", "delete:timesheets")
    await world.change("paycheck", api_grants=(ApiGrant(api=TIMESHEETS, scope=wider),))
    more = ASKED | {"scope": f"{ASKED['scope']} delete:timesheets"}
    with no_row(world):
        silent = await visitor.authorize(**more, prompt="none", state="s")
    is_redirect_error(silent, "consent_required", state="s")
    await visitor.authorize(**more)
    assert visitor.page.scopes == ["delete:timesheets"]


@pytest.mark.parametrize(
    "added",
    [
        "delete:timesheets",
        "approve:timesheets",
        "email",
        "offline_access",
        "*",
        "openid profile email",
        "<b>",
        "\u202e",
        '"',
    ],
)
async def test_CO_10_a_box_that_was_not_on_the_page_allows_nothing(world: World, added: str) -> None:
    visitor = await asked(world)
    await post(visitor, scope=["openid", "profile", added])
    assert consents(world) == {("ik|erin", None): {"openid", "profile"}}


async def test_CO_10_a_form_without_openid_still_knows_the_person_and_no_more(world: World) -> None:
    visitor = await asked(world)
    await post(visitor, scope=None)
    assert consents(world) == {("ik|erin", None): {"openid"}}


async def test_CO_10_what_was_unticked_is_not_granted_later_by_itself(world: World) -> None:
    visitor = await asked(world)
    await visitor.submit("consent-allow", untick=("create:timesheets",))
    await visitor.authorize(**ASKED)
    assert "code" in redirected(visitor.response)
    for grant in rows(world)["grants"].values():
        assert "create:timesheets" not in grant.scope


@pytest.mark.parametrize("scope", ["openid", "openid profile", "read:timesheets", "openid read:timesheets"])
async def test_CO_03_a_third_party_is_asked_whatever_the_api_says(world: World, scope: str) -> None:
    """Every API of this world lets apps skip consent; that is for first-party apps."""
    assert rows(world)["apis"][TIMESHEETS].skip_consent is True
    visitor = await asked(world, scope=scope)
    assert set(visitor.page.scopes) == set(scope.split())


async def test_CO_03_a_first_party_app_is_asked_where_the_api_says_so(world: World) -> None:
    api = rows(world)["apis"][TIMESHEETS]
    strict = msgspec.structs.replace(api, skip_consent=False)
    await world.services.store.apis.replace(strict, events=())
    await world.services.registry.refresh()
    await asked(world, client_id="web")


async def test_CO_13_denying_leaves_nothing_behind_and_is_not_remembered(world: World) -> None:
    visitor = await asked(world, state="s")
    with no_row(world):
        is_redirect_error(await visitor.submit("consent-deny"), "access_denied", state="s")
    await visitor.authorize(**ASKED)
    assert "consent-allow" in visitor.page.ids


async def test_CO_13_back_after_denying_asks_again(world: World) -> None:
    visitor = await asked(world)
    question = str(visitor.response.request.url)
    await visitor.submit("consent-deny")
    await visitor.get(question)
    assert "consent-allow" in visitor.page.ids


# ------------------------------------------------------------ frames, withdrawn consent


async def test_CO_14_no_page_of_the_road_may_be_framed(world: World) -> None:
    """is_html holds both headers to it; what a form may lead to is this server and the scheme of the callback."""
    visitor = Visitor(world)
    await visitor.authorize(**ASKED)
    for sign_in in (True, False):
        is_html(visitor.response, status=200)
        policy = visitor.response.headers["content-security-policy"]
        directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert directives["form-action"] == "'self' https:"
        assert (
            directives["frame-ancestors"] == directives["base-uri"] == directives["default-src"] == "'none'"
        )
        assert "cross-origin-opener-policy" not in visitor.response.headers
        if sign_in:
            await visitor.sign_in()


async def test_CO_14_a_consent_that_was_withdrawn_meanwhile_is_not_used(world: World) -> None:
    """Consent is read for every answer: what ended a moment ago lets no silent request pass."""
    visitor = await asked(world)
    await visitor.submit("consent-allow")
    assert "code" in redirected(await visitor.authorize(**ASKED, prompt="none"))
    await world.services.store.consents.revoke(Subject("ik|erin"), ClientId("paycheck"), events=())
    response = await visitor.authorize(**ASKED, prompt="none", state="s")
    is_redirect_error(response, "consent_required", state="s")
