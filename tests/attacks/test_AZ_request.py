"""AZ: who asks, where a refusal may go, and what comes back with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from innkeeper.server.model.identifiers import ClientId
from tests.attacks.authorizing import FORM, both, only_pages, refused
from tests.attacks.oracles import is_page, is_redirect_error, is_sound, no_row, redirected, rows, still_works
from tests.visitor import BROWSER, Visitor
from tests.world import ISSUER, PASSWORD, PAYROLL, TIMESHEETS, World, a_client, a_world, authorize_parameters

CALLBACK_OF_NONE = "https://none.example.test/cb"
WRONG: dict[str, dict[str, str | None]] = {
    "no response_type": {"response_type": None},
    "unknown response_type": {"response_type": "cod"},
    "implicit": {"response_type": "token"},
    "hybrid without nonce": {"response_type": "code id_token", "nonce": None},
    "hybrid without openid": {"response_type": "code token", "scope": "profile"},
    "no code_challenge": {"code_challenge": None, "code_challenge_method": None},
    "plain": {"code_challenge_method": "plain"},
    "broken scope": {"scope": 'openid "x"'},
    "unknown API": {"audience": "https://nobody.example.test/"},
    "two APIs": {"audience": TIMESHEETS, "resource": PAYROLL},
    "unknown prompt": {"prompt": "perhaps"},
    "none and login": {"prompt": "none login"},
    "silent": {"prompt": "none"},
    "negative max_age": {"max_age": "-1"},
    "unknown response_mode": {"response_mode": "jwt"},
    "request object": {"request": "e30.e30."},
    "request_uri": {"request_uri": "https://evil.example/object"},
    "registration": {"registration": "{}"},
    "long nonce": {"nonce": "n" * 1025},
}
IN_THE_FRAGMENT = ("implicit", "hybrid without nonce", "hybrid without openid")


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    none = a_client("none", redirect_uris=(CALLBACK_OF_NONE,), response_types=())
    made = await a_world(extra_clients=(none,))
    yield made
    await still_works(made)


# ------------------------------------------------------------ who asks


@pytest.mark.parametrize(
    "client_id",
    ["nobody", "", "w" * 10_000, "' OR 1=1 --", "WEB", "web ", " web", "web\0", "web\u200b", "web,other", "*",
     "<script>alert(1)</script>", "../web", "ik|erin", "a_client_of_another_deployment"],
)  # fmt: skip
async def test_AZ_01_an_unknown_app_gets_a_page(world: World, client_id: str) -> None:
    await only_pages(world, urlencode(authorize_parameters(client_id=client_id)))
    await only_pages(world, urlencode(authorize_parameters(client_id=client_id, prompt="none")))


@pytest.mark.parametrize("ids", [(), ("web", "web"), ("web", "other"), ("nobody", "web"), ("web", "")])
async def test_AZ_01_an_app_named_twice_or_not_at_all_gets_a_page(world: World, ids: tuple[str, ...]) -> None:
    rest = authorize_parameters(client_id=None).items()
    await only_pages(world, urlencode([*rest, *(("client_id", client_id) for client_id in ids)]))


async def test_AZ_02_a_disabled_app_gets_a_page(world: World) -> None:
    await only_pages(world, urlencode(authorize_parameters(client_id="disabled")))
    await only_pages(world, urlencode(authorize_parameters(client_id="disabled", prompt="none")))


@pytest.mark.parametrize("button", ["login-submit", "login-cancel"])
@pytest.mark.parametrize("end", ["disabled", "deleted"])
async def test_AZ_02_an_app_that_ends_while_a_person_signs_in_gets_no_answer(end: str, button: str) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize()
    if end == "disabled":
        await world.change("web", is_enabled=False)
    else:
        await world.services.store.clients.delete(ClientId("web"), events=())
        await world.services.registry.refresh()
    is_page(await visitor.submit(button, username="erin", password=PASSWORD))
    assert not rows(world)["codes"] and not rows(world)["sessions"]


# ------------------------------------------------------------ what is asked for


@pytest.mark.parametrize(
    "response_type",
    [
        "token",
        "id_token",
        "id_token token",
        "token id_token",
        "code token",
        "code id_token token",
        "token code",
    ],
)
@pytest.mark.parametrize("nonce", ["n", None])
async def test_AZ_04_10_what_is_switched_off_is_refused_where_its_tokens_would_have_gone(
    world: World, response_type: str, nonce: str | None
) -> None:
    kind = "unsupported_response_type"
    await refused(world, kind, mode="fragment", response_type=response_type, nonce=nonce)


@pytest.mark.parametrize(
    "response_type",
    ["none", "code code", "code  ", " code", "Code", "code,token", "password", "code none", "id_token id_token",
     "code token token", "code id_token token none"],
)  # fmt: skip
async def test_AZ_04_what_nobody_registered_is_refused(world: World, response_type: str) -> None:
    await refused(world, "unsupported_response_type", response_type=response_type)


@pytest.mark.parametrize("response_type", ["code id_token", "id_token code"])
async def test_AZ_04_an_app_without_the_implicit_grant_has_no_hybrid_flow(
    world: World, response_type: str
) -> None:
    await refused(world, "unauthorized_client", mode="fragment", response_type=response_type)


async def test_AZ_04_an_app_without_this_response_type_is_refused(world: World) -> None:
    response = await world.http().get(
        "/authorize",
        params=authorize_parameters(client_id="none", redirect_uri=CALLBACK_OF_NONE, state="s"),
    )
    is_redirect_error(response, "unauthorized_client", redirect_uri=CALLBACK_OF_NONE, state="s")


@pytest.mark.parametrize(
    "uri", ["https://evil.example/", "http://web.example.test/cb", "javascript:alert(1)", None]
)
@pytest.mark.parametrize("wrong", WRONG)
async def test_AZ_07_08_no_error_is_ever_sent_to_an_unproven_uri(
    world: World, wrong: str, uri: str | None
) -> None:
    parameters = authorize_parameters(scope="openid") | {"redirect_uri": uri, **WRONG[wrong]}
    present = {name: value for name, value in parameters.items() if value is not None}
    if uri is None and "openid" not in present["scope"]:
        present["client_id"] = "native"  # more than one URI is registered
    await only_pages(world, urlencode(present))


@pytest.mark.parametrize("wrong", WRONG)
async def test_AZ_16_every_error_carries_state_and_issuer(world: World, wrong: str) -> None:
    parameters = authorize_parameters() | WRONG[wrong]
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    with no_row(world):
        for response in await both(world, query):
            mode = "fragment" if wrong in IN_THE_FRAGMENT else "query"
            error = redirected(response, mode=mode)["error"]
            assert error != "server_error"
            is_redirect_error(response, error, state=parameters["state"], mode=mode)


async def test_AZ_16_success_and_metadata_name_the_same_issuer(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize(state="s")
    await visitor.sign_in()
    answer = redirected(visitor.response)
    assert answer.keys() == {"code", "state", "iss"}
    metadata = (await world.http().get("/.well-known/openid-configuration")).json()
    assert answer["iss"] == metadata["issuer"] == ISSUER
    assert metadata["authorization_response_iss_parameter_supported"] is True


async def test_AZ_16_cancelling_and_denying_name_the_issuer_too(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize(state="s")
    with no_row(world):
        is_redirect_error(await visitor.submit("login-cancel"), "access_denied", state="s")
    await visitor.authorize(client_id="paycheck", state="s")
    await visitor.sign_in()
    with no_row(world):
        is_redirect_error(await visitor.submit("consent-deny"), "access_denied", state="s")


async def test_AZ_16_an_issuer_with_a_slash_is_named_with_its_slash() -> None:
    world = await a_world(issuer=f"{ISSUER}/")
    response = await world.http().get("/authorize", params=authorize_parameters(prompt="none", state="s"))
    is_redirect_error(response, "login_required", state="s", issuer=f"{ISSUER}/")


# ------------------------------------------------------------ state


STATES = [
    "&iss=https://evil.example&code=x",
    "#frag?x=1",
    "%2500%0d%0a",
    "a+b c",
    '"><script>alert(1)</script>',
    "line\r\nbreak\tand tab",
    "\u202eevil\u2066 \U0001f600 \u0000".replace("\0", ""),
    "".join(chr(0x100 + n % 400) if n % 2 else chr(0x21 + n % 90) for n in range(2_000)),
]


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
async def test_AZ_16_state_comes_back_unchanged(world: World, state: str) -> None:
    await refused(world, "login_required", state=state, prompt="none")
    visitor = Visitor(world)
    await visitor.authorize(state=state)
    await visitor.sign_in()
    assert redirected(visitor.response)["state"] == state


async def test_AZ_16_a_repeated_state_is_not_returned(world: World) -> None:
    pairs = [*authorize_parameters(state=None).items(), ("state", "mine"), ("state", "theirs")]
    with no_row(world):
        for response in await both(world, urlencode(pairs)):
            is_redirect_error(response, "invalid_request", state=None)


@pytest.mark.parametrize("name", ["response_type", "scope", "prompt", "nonce", "code_challenge", "x"])
async def test_AZ_16_a_repeated_parameter_is_not_chosen_from(world: World, name: str) -> None:
    given = authorize_parameters(state="s")
    pairs = [*given.items(), (name, given.get(name, "1"))]
    if name not in given:
        pairs.append((name, "2"))
    with no_row(world):
        for response in await both(world, urlencode(pairs)):
            is_redirect_error(response, "invalid_request", state="s")


@pytest.mark.parametrize("query", ["%", "%zz=1", "\xff\xfe", "%ff", "%00=1", "state=%00", "a=%ed%a0%80"])
async def test_AZ_16_bytes_that_cannot_be_decoded_get_a_page(world: World, query: str) -> None:
    good = urlencode(authorize_parameters(state=None))
    http = world.http()
    raw = f"{good}&{query}".encode("latin-1")
    with no_row(world):
        is_page(await http.post("/authorize", content=raw, headers=FORM))
        if raw.isascii():
            url = httpx2.URL(f"{ISSUER}/authorize").copy_with(query=raw)
            is_page(await http.get(url, headers=BROWSER))


# ------------------------------------------------------------ rows, and requests by POST


async def test_AZ_01_pending_requests_cost_no_row_and_silent_ones_no_cookie(world: World) -> None:
    http = world.http()
    with no_row(world):
        for _ in range(200):
            response = await http.get("/authorize", params=authorize_parameters(), headers=BROWSER)
            assert response.status_code == 303
            http.cookies.clear()
        silent = await http.get("/authorize", params=authorize_parameters(prompt="none"), headers=BROWSER)
    assert "set-cookie" not in silent.headers


async def test_AZ_23_a_posted_request_is_answered_by_our_own_get_whatever_cookies_came(world: World) -> None:
    """Even from a browser that ignores SameSite: a POST issues nothing, and consent is still asked for."""
    victim = Visitor(world)
    await victim.code()
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    with no_row(world):
        for client_id in ("paycheck", "web"):
            sent = authorize_parameters(client_id=client_id)
            posted = await victim.http.post("/authorize", data=sent, headers=foreign)
            is_sound(posted)
            assert posted.status_code == 303
            assert posted.headers["location"].startswith("/authorize?")
            assert "set-cookie" not in posted.headers
        await victim.get(f"/authorize?{urlencode(authorize_parameters(client_id='paycheck'))}")
    assert "consent-allow" in victim.page.ids


async def test_AZ_23_a_posted_request_becomes_the_same_request_by_get(world: World) -> None:
    sent = authorize_parameters(state="a+b &=%\u00e9")
    posted = await world.http().post("/authorize", data=sent)
    query = urlsplit(posted.headers["location"]).query
    assert {name: values[0] for name, values in parse_qs(query).items()} == sent


@pytest.mark.parametrize("raw", ["state=a\r\nSet-Cookie: x=y", "state=\u00e9\U0001f600", "state=a b"])
async def test_AZ_23_what_a_body_holds_as_it_is_cannot_reach_into_the_headers(world: World, raw: str) -> None:
    body = f"{urlencode(authorize_parameters(state=None))}&{raw}"
    posted = await world.http().post("/authorize", content=body.encode(), headers=FORM)
    is_sound(posted)
    assert posted.headers["location"].isascii() and not set(posted.headers["location"]) & set("\r\n ")
    silent = await world.http().get(posted.headers["location"] + "&prompt=none")
    is_redirect_error(silent, "login_required", state=raw.removeprefix("state="))


async def test_AZ_23_other_methods_and_bodies_are_no_way_in(world: World) -> None:
    http = world.http()
    sent = authorize_parameters()
    with no_row(world):
        is_page(await http.post("/authorize", json=sent))
        is_page(await http.post("/authorize", content=urlencode(sent).encode()))
        multipart = FORM | {"content-type": "multipart/form-data; boundary=x"}
        is_page(await http.post("/authorize", content=urlencode(sent).encode(), headers=multipart))
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            response = await http.request(method, "/authorize", params=sent)
            is_sound(response)
            assert response.status_code == 405
            assert "location" not in response.headers
