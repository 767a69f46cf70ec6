"""AZ, CO, XS and B17 where tokens leave the authorization endpoint: every response type, in every mode."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from innkeeper.server.config import LegacyFlows
from innkeeper.server.protocol.response_types import RESPONSE_TYPES
from tests.attacks.authorizing import refused
from tests.attacks.oracles import (
    delivered_by,
    is_json_error,
    is_redirect_error,
    keeps_secrets,
    no_row,
    rows,
    still_works,
)
from tests.attacks.test_XS_pages import IDS, POLYGLOTS, Elements
from tests.attacks.token_requests import tables, userinfo
from tests.fronting import (
    EVERYTHING_ON,
    FRONT_CALLBACK,
    FRONT_CHANNEL,
    FRONT_ORIGIN,
    MODES,
    a_front_client,
    a_front_world,
    answered,
    asked,
    delivered,
    mode_of,
)
from tests.visitor import BROWSER, Visitor
from tests.world import (
    ISSUER,
    TIMESHEETS,
    World,
    a_world,
    authorize_parameters,
    basic,
    code_form,
)

PAGES = ("form_post", "web_message")
WITH_ID_TOKEN = tuple(value for value in FRONT_CHANNEL if "id_token" in value)
# Every way for an answer of each type to travel, and no other.
WAYS = [
    (value, mode)
    for value in RESPONSE_TYPES
    for mode in MODES
    if mode != "query" or value == "code"
]  # fmt: skip


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    clients = (
        a_front_client(),
        a_front_client("code-only", grant_types=("authorization_code",), response_types=("code",)),
        a_front_client("implicit-only", grant_types=("implicit",), response_types=("id_token", "id_token token")),
        # What no command would store: a third party with these grants.
        a_front_client("foreign", is_first_party=False, publisher="Somebody"),
        a_front_client("no-origin", allowed_origins=()),
        a_front_client("other-origin", allowed_origins=("https://other.example.test", f"{FRONT_ORIGIN}:8443")),
        a_front_client("quoted", redirect_uris=("https://front.example.test/a;b,c?d='e'&f=%22",)),
        a_front_client("v6", redirect_uris=("http://[::1]:8000/cb",), allowed_origins=("http://[::1]:8000",)),
    )  # fmt: skip
    made = await a_world(extra_clients=clients, legacy=EVERYTHING_ON)
    yield made
    await still_works(made)


async def signed_in(world: World) -> Visitor:
    visitor = Visitor(world)
    await visitor.code()
    return visitor


# ------------------------------------------------------------ AZ-04


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
@pytest.mark.parametrize("client_id", ["code-only", "foreign"])
async def test_AZ_04_tokens_leave_only_to_apps_with_both_grants_and_never_to_third_parties(
    world: World, client_id: str, response_type: str
) -> None:
    changes = asked(client_id=client_id, response_type=response_type)
    await refused(world, "unauthorized_client", mode="fragment", **changes)


@pytest.mark.parametrize("response_type", ["code", "code id_token", "code token", "code id_token token"])
async def test_AZ_04_the_implicit_grant_alone_brings_no_code(world: World, response_type: str) -> None:
    mode = "query" if response_type == "code" else "fragment"
    changes = asked(client_id="implicit-only", response_type=response_type)
    await refused(world, "unauthorized_client", mode=mode, **changes)


@pytest.mark.parametrize("response_type", ["token", "token code token", "id_token id_token", "none"])
async def test_AZ_04_what_is_not_offered_is_refused_with_everything_on(
    world: World, response_type: str
) -> None:
    mode = "fragment" if response_type == "token" else "query"
    await refused(world, "unsupported_response_type", mode=mode, **asked(response_type=response_type))


@pytest.mark.parametrize(
    ("legacy", "is_on"),
    [
        (LegacyFlows(), {"code id_token"}),
        (LegacyFlows(implicit=True), {"code id_token", "id_token"}),
        (
            LegacyFlows(front_channel_access_tokens=True),
            {"code id_token", "code token", "code id_token token"},
        ),
        (EVERYTHING_ON, set(FRONT_CHANNEL)),
    ],
)
async def test_AZ_04_a_flow_that_is_switched_off_is_off_for_apps_that_have_the_grant(
    legacy: LegacyFlows, is_on: set[str]
) -> None:
    world = await a_front_world(legacy=legacy)
    for response_type in FRONT_CHANNEL:
        answer = await answered(world, response_type=response_type)
        if response_type in is_on:
            assert "error" not in answer
        else:
            assert answer["error"] == "unsupported_response_type"


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_AZ_04_no_token_is_ever_put_into_a_query(world: World, response_type: str) -> None:
    changes = asked(response_type=response_type, response_mode="query")
    answer = await refused(world, "invalid_request", mode="fragment", **changes)
    assert "response_mode=query" in answer["error_description"]
    visitor = await signed_in(world)
    with no_row(world):
        await visitor.authorize(**changes)
    assert mode_of(visitor.response) == "fragment"


@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
async def test_AZ_04_a_mode_sent_twice_is_no_mode(world: World, response_type: str) -> None:
    pairs = [*authorize_parameters(**asked(response_type=response_type)).items()]
    pairs += [("response_mode", "form_post"), ("response_mode", "form_post")]
    with no_row(world):
        response = await world.http().get(f"/authorize?{urlencode(pairs)}", headers=BROWSER)
    assert delivered(response)["error"] == "invalid_request"
    assert mode_of(response) == ("query" if response_type == "code" else "fragment")


async def test_AZ_04_the_token_endpoint_knows_no_implicit_grant(world: World) -> None:
    for name in ("implicit", "hybrid", "id_token"):
        form = {"grant_type": name, "scope": "openid"}
        answer = await world.http().post("/oauth/token", data=form, headers=basic("front"))
        is_json_error(answer, 400, "unsupported_grant_type")


# ------------------------------------------------------------ AZ-10, PKCE


@pytest.mark.parametrize("nonce", [None, ""])
@pytest.mark.parametrize(("response_type", "mode"), [way for way in WAYS if "id_token" in way[0]])
async def test_AZ_10_an_id_token_leaves_only_with_a_nonce(
    world: World, response_type: str, mode: str, nonce: str | None
) -> None:
    changes = asked(response_type=response_type, response_mode=mode, nonce=nonce)
    answer = await refused(world, "invalid_request", mode=mode, **changes)
    assert "nonce" in answer["error_description"]


@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
async def test_AZ_10_an_id_token_leaves_only_for_a_login(world: World, response_type: str) -> None:
    for scope in ("profile", None):
        changes = asked(response_type=response_type, scope=scope)
        await refused(world, "invalid_request", mode="fragment", **changes)


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
@pytest.mark.parametrize("prompt", [None, "none", "login"])
async def test_AZ_10_a_nonce_that_is_too_long_is_refused(
    world: World, response_type: str, prompt: str | None
) -> None:
    changes = asked(response_type=response_type, nonce="n" * 1025, prompt=prompt)
    await refused(world, "invalid_request", mode="fragment", **changes)


@pytest.mark.parametrize("response_type", ["code id_token", "code token", "code id_token token"])
async def test_PK_01_a_code_of_the_hybrid_flow_needs_its_challenge(world: World, response_type: str) -> None:
    none: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    await refused(world, "invalid_request", mode="fragment", **asked(response_type=response_type, **none))
    plain = asked(response_type=response_type, code_challenge_method="plain")
    await refused(world, "invalid_request", mode="fragment", **plain)


# ------------------------------------------------------------ AZ-16: success and error, in every way


@pytest.mark.parametrize(("response_type", "mode"), WAYS)
async def test_AZ_16_success_travels_in_the_mode_asked_for_with_state_and_issuer(
    world: World, response_type: str, mode: str
) -> None:
    visitor = await signed_in(world)
    changes = asked(response_type=response_type, response_mode=mode, state="st-1")
    await visitor.authorize(**changes)
    answer = delivered_by(visitor.response, mode, FRONT_CALLBACK)
    assert (answer["state"], answer["iss"]) == ("st-1", ISSUER)
    assert "error" not in answer
    keeps_secrets(world, *(answer[name] for name in ("code", "access_token", "id_token") if name in answer))


@pytest.mark.parametrize(("response_type", "mode"), WAYS)
async def test_AZ_16_every_error_travels_in_the_mode_asked_for(
    world: World, response_type: str, mode: str
) -> None:
    wrong: list[tuple[str, dict[str, str | None]]] = [
        ("login_required", {"prompt": "none"}),
        ("invalid_request", {"prompt": "none login"}),
        ("invalid_scope", {"scope": 'openid "x"'}),
        ("invalid_target", {"audience": "https://nobody.example.test/"}),
        ("request_not_supported", {"request": "e30.e30."}),
    ]
    for error, changes in wrong:
        sent: dict[str, Any] = asked(response_type=response_type, response_mode=mode, **changes)
        await refused(world, error, mode=mode, **sent)


@pytest.mark.parametrize(("response_type", "mode"), WAYS)
async def test_AZ_16_what_a_person_says_no_to_travels_in_the_mode_asked_for(
    world: World, response_type: str, mode: str
) -> None:
    visitor = Visitor(world)
    sent = asked(response_type=response_type, response_mode=mode, state="s")
    await visitor.authorize(**sent)
    with no_row(world):
        response = await visitor.submit("login-cancel")
    is_redirect_error(response, "access_denied", redirect_uri=FRONT_CALLBACK, state="s", mode=mode)
    await visitor.authorize(**sent, prompt="consent")
    await visitor.sign_in()
    with no_row(world):
        response = await visitor.submit("consent-deny")
    is_redirect_error(response, "access_denied", redirect_uri=FRONT_CALLBACK, state="s", mode=mode)


async def test_AZ_16_without_state_none_is_made_up(world: World) -> None:
    for mode in MODES:
        visitor = await signed_in(world)
        await visitor.authorize(**asked(response_mode=mode, state=None))
        assert delivered_by(visitor.response, mode, FRONT_CALLBACK).keys() == {"code", "iss"}


@pytest.mark.parametrize("mode", PAGES)
@pytest.mark.parametrize("state", ["a\nb", "a\r\nb", "\r"])
async def test_AZ_16_a_state_that_a_page_would_change_comes_back_by_a_redirect(
    world: World, state: str, mode: str
) -> None:
    changes: dict[str, Any] = asked(response_mode=mode, state=state)
    answer = await refused(world, "invalid_request", **changes)
    assert answer["state"] == state


# ------------------------------------------------------------ CO-01, CO-02


@pytest.mark.parametrize(("response_type", "mode"), WAYS)
async def test_CO_01_02_nothing_is_given_in_silence_that_was_not_allowed(
    response_type: str, mode: str
) -> None:
    world = await a_front_world()
    api = rows(world)["apis"][TIMESHEETS]
    await world.services.store.apis.replace(msgspec.structs.replace(api, skip_consent=False), events=())
    await world.services.registry.refresh()
    visitor = await signed_in(world)
    wanted = asked(response_type=response_type, response_mode=mode, audience=str(TIMESHEETS), state="s")
    silent = wanted | {"scope": "openid read:timesheets", "prompt": "none"}
    with no_row(world):
        await visitor.authorize(**silent)
    is_redirect_error(visitor.response, "consent_required", redirect_uri=FRONT_CALLBACK, state="s", mode=mode)
    await visitor.authorize(**wanted, scope="openid read:timesheets")
    await visitor.submit("consent-allow")
    assert "error" not in delivered_by(visitor.response, mode, FRONT_CALLBACK)
    await visitor.authorize(**silent)
    assert "error" not in delivered_by(visitor.response, mode, FRONT_CALLBACK)
    more = silent | {"scope": "openid read:timesheets create:timesheets"}
    with no_row(world):
        await visitor.authorize(**more)
    is_redirect_error(visitor.response, "consent_required", redirect_uri=FRONT_CALLBACK, state="s", mode=mode)


@pytest.mark.parametrize(("response_type", "mode"), WAYS)
async def test_CO_11_an_unticked_scope_is_in_no_token(response_type: str, mode: str) -> None:
    world = await a_front_world()
    visitor = Visitor(world)
    sent = asked(response_type=response_type, response_mode=mode, audience=str(TIMESHEETS))
    await visitor.authorize(**sent, scope="openid read:timesheets create:timesheets", prompt="consent")
    await visitor.sign_in()
    await visitor.submit("consent-allow", untick=("create:timesheets",))
    answer = delivered_by(visitor.response, mode, FRONT_CALLBACK)
    [grant] = tables(world).grants.values()
    assert set(grant.scope) == {"openid", "read:timesheets"}
    assert set(answer.get("scope", "openid read:timesheets").split()) == set(grant.scope)


# ------------------------------------------------------------ CD, IN: what was given by the browser ends too


@pytest.mark.parametrize("audience", [None, TIMESHEETS])
@pytest.mark.parametrize("response_type", ["code token", "code id_token token"])
async def test_CD_03_a_replayed_code_ends_the_token_that_left_beside_it(
    response_type: str, audience: str | None
) -> None:
    world = await a_front_world()
    answer = await answered(world, response_type=response_type, audience=audience)
    form = code_form(answer["code"], redirect_uri=FRONT_CALLBACK)
    first = await world.http().post("/oauth/token", data=form, headers=basic("front"))
    assert first.status_code == 200
    assert (await userinfo(world, answer["access_token"])).status_code == 200
    again = await world.http().post("/oauth/token", data=form, headers=basic("front"))
    is_json_error(again, 400, "invalid_grant")
    for token in (answer["access_token"], first.json()["access_token"]):
        assert (await userinfo(world, token)).status_code == 401


@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
async def test_IN_07_an_id_token_of_the_browser_opens_nothing(world: World, response_type: str) -> None:
    answer = await answered(world, response_type=response_type)
    assert (await userinfo(world, answer["id_token"])).status_code == 401
    given = {"token": answer["id_token"]}
    with no_row(world):
        revoked = await world.http().post("/oauth/revoke", data=given, headers=basic("front"))
    assert revoked.status_code == 200


# ------------------------------------------------------------ B17: to whom a window speaks


@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
@pytest.mark.parametrize("client_id", ["no-origin", "other-origin"])
@pytest.mark.parametrize("prompt", [None, "none"])
async def test_B17_a_message_goes_to_no_origin_that_was_not_registered(
    world: World, client_id: str, response_type: str, prompt: str | None
) -> None:
    mode = "query" if response_type == "code" else "fragment"
    changes = asked(
        client_id=client_id, response_type=response_type, response_mode="web_message", prompt=prompt
    )
    answer = await refused(world, "invalid_request", mode=mode, **changes)
    assert "allowed origins" in answer["error_description"]


async def test_B17_an_origin_that_was_taken_away_meanwhile_gets_no_message() -> None:
    world = await a_front_world()
    visitor = Visitor(world)
    await visitor.authorize(**asked(response_type="code id_token", response_mode="web_message"))
    await world.change("front", allowed_origins=())
    await visitor.sign_in()
    assert mode_of(visitor.response) == "fragment"
    assert delivered(visitor.response)["error"] == "invalid_request"
    assert not tables(world).grants


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*"])
async def test_B17_the_origin_that_asks_decides_nothing(world: World, origin: str) -> None:
    visitor = await signed_in(world)
    params = authorize_parameters(**asked(response_mode="web_message", prompt="none"))
    more: dict[str, Any] = {"web_message_uri": origin, "web_message_target": "top", "origin": origin}
    headers = BROWSER | {"origin": origin, "referer": f"{origin}/", "sec-fetch-site": "cross-site"}
    response = await visitor.http.get("/authorize", params=params | more, headers=headers)
    assert "code" in delivered_by(response, "web_message", FRONT_CALLBACK)
    assert origin not in response.text and origin not in response.headers["content-security-policy"].split()


async def test_B17_only_that_page_may_be_framed_and_only_by_that_origin(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize(**asked(response_mode="web_message"))
    assert visitor.response.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in visitor.response.headers["content-security-policy"]
    await visitor.sign_in()
    delivered_by(visitor.response, "web_message", FRONT_CALLBACK)
    params = authorize_parameters(client_id="v6", redirect_uri="http://[::1]:8000/cb", prompt="none")
    response = await visitor.http.get("/authorize", params=params | {"response_mode": "web_message"})
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"], "no policy can name it"
    assert response.headers["x-frame-options"] == "DENY"


# ------------------------------------------------------------ form_post: where the form leads


async def test_AZ_07_the_form_leads_to_the_registered_address_alone(world: World) -> None:
    uri = "https://front.example.test/a;b,c?d='e'&f=%22"
    visitor = await signed_in(world)
    await visitor.authorize(**asked(client_id="quoted", redirect_uri=uri, response_mode="form_post"))
    policy = visitor.response.headers["content-security-policy"]
    assert "form-action https://front.example.test/a%3Bb%2Cc; base-uri" in policy
    assert visitor.page.action == uri
    await visitor.authorize(
        **asked(client_id="v6", redirect_uri="http://[::1]:8000/cb", response_mode="form_post")
    )
    assert "form-action http:; base-uri" in visitor.response.headers["content-security-policy"]


async def test_AZ_07_an_app_behind_its_own_scheme_gets_no_form(world: World) -> None:
    sent: dict[str, Any] = {"client_id": "native", "redirect_uri": "com.example.app:/cb"}
    answer = await refused(world, "invalid_request", response_mode="form_post", **sent)
    assert "form_post" in answer["error_description"]


# ------------------------------------------------------------ XS-01


@pytest.mark.parametrize("mode", PAGES)
@pytest.mark.parametrize("text", POLYGLOTS, ids=IDS)
async def test_XS_01_a_state_is_text_in_the_page_and_comes_back_as_it_was(
    world: World, text: str, mode: str
) -> None:
    visitor = await signed_in(world)
    sent = asked(response_type="code id_token token", response_mode=mode, state=text, display=text)
    await visitor.authorize(**sent)
    assert delivered_by(visitor.response, mode, FRONT_CALLBACK)["state"] == text
    is_unmoved(visitor.response.text)
    await visitor.authorize(**sent, prompt="none login")
    assert delivered_by(visitor.response, mode, FRONT_CALLBACK)["state"] == text
    is_unmoved(visitor.response.text)


@pytest.mark.parametrize("mode", PAGES)
@pytest.mark.parametrize("text", POLYGLOTS, ids=IDS)
async def test_XS_01_the_name_of_the_app_is_text(text: str, mode: str) -> None:
    world = await a_front_world()
    await world.change("front", name=text)
    visitor = await signed_in(world)
    await visitor.authorize(**asked(response_mode=mode))
    assert "code" in delivered_by(visitor.response, mode, FRONT_CALLBACK)
    is_unmoved(visitor.response.text)


def is_unmoved(html: str) -> None:
    """The elements of our template, one script, and no handler of events."""
    found = Elements(html).found
    tags = [tag for tag, _ in found]
    assert tags.count("script") == 1 and tags.count("form") <= 1
    assert not set(tags) & {"iframe", "svg", "base", "style", "math", "textarea", "object"}
    for _, attributes in found:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")]
