"""AZ: parameters that ask for too much, for what is not there, or for nothing that can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from tests.attacks.authorizing import both, claims_of, refused, tokens
from tests.attacks.oracles import is_page, is_redirect_error, is_sound, no_row, redirected, still_works
from tests.visitor import Visitor
from tests.world import PAYROLL, TIMESHEETS, World, a_world, authorize_parameters

REQUEST_OBJECTS = {
    "alg none": "eyJhbGciOiJub25lIn0.eyJjbGllbnRfaWQiOiJvdGhlciJ9.",
    "HS256": "eyJhbGciOiJIUzI1NiJ9.eyJjbGllbnRfaWQiOiJ3ZWIifQ.AAAA",
    "no JWT": "x",
    "a request object inside": "eyJhbGciOiJub25lIn0.eyJyZXF1ZXN0IjoiZTMwLmUzMC4ifQ.",
}


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    made = await a_world()
    yield made
    await still_works(made)


# ------------------------------------------------------------ request objects, sizes


@pytest.mark.parametrize("kind", REQUEST_OBJECTS)
async def test_AZ_11_request_objects_are_refused_and_not_ignored(world: World, kind: str) -> None:
    await refused(world, "request_not_supported", request=REQUEST_OBJECTS[kind])


@pytest.mark.parametrize(
    "uri", ["https://evil.example/o", "http://127.0.0.1:9/o", "urn:ietf:params:oauth:x", "x"]
)
async def test_AZ_11_request_uri_is_refused_and_never_fetched(world: World, uri: str) -> None:
    # The tests' network guard would fail any connection that left this machine.
    await refused(world, "request_uri_not_supported", request_uri=uri)


async def test_AZ_13_both_at_once_are_refused(world: World) -> None:
    await refused(world, "request_not_supported", request="e30.e30.", request_uri="https://evil.example/o")


@pytest.mark.parametrize("size", [7_000, 30_000, 1_000_000])
async def test_AZ_13_20_a_request_too_large_to_travel_is_refused(world: World, size: int) -> None:
    http = world.http()
    for name in ("request", "claims", "state", "x"):
        parameters = authorize_parameters() | {name: "a" * size}
        with no_row(world):
            answers = [await http.post("/authorize", data=parameters)]
            if size < 60_000:  # the client sends no longer links
                answers.append(await http.get("/authorize", params=parameters))
            for response in answers:
                assert response.status_code in (400, 413, 414)
                assert "location" not in response.headers
                is_sound(response)


async def test_AZ_13_a_request_that_is_too_large_gets_a_page_that_says_so(world: World) -> None:
    for response in await both(world, urlencode(authorize_parameters(state="s" * 6_000))):
        is_page(response)
        assert "too long" in response.text


async def test_AZ_22_unknown_parameters_have_no_effect(world: World) -> None:
    strange = {
        "__proto__": "x", "role": "admin", "roles": "Manager", "sub": "ik|mona", "user_id": "ik|mona",
        "username": "mona", "is_first_party": "1", "client[is_first_party]": "1", "skip_consent": "true",
        "confirmed": "1", "progress": "1", "session": "1", "iss": "https://evil.example", "error": "x",
        "permissions": "approve:timesheets", "code": "mine", "screen_hint": "signup", "hd": "example.test",
    }  # fmt: skip
    visitor, plain = Visitor(world), Visitor(world)
    await visitor.authorize(**strange, scope="openid")
    await visitor.sign_in()
    await plain.authorize(scope="openid")
    await plain.sign_in()
    assert redirected(visitor.response).keys() == {"code", "state", "iss"}
    got, usual = await tokens(world, visitor), await tokens(world, plain)
    changing = {"nonce", "at_hash", "sid", "exp", "iat", "auth_time"}
    told = [
        {k: v for k, v in claims_of(answer["id_token"]).items() if k not in changing}
        for answer in (got, usual)
    ]
    assert told[0] == told[1]
    assert got["scope"] == usual["scope"] == "openid"


# ------------------------------------------------------------ max_age


@pytest.mark.parametrize(
    "max_age", ["-1", "1.5", "1e3", "+5", "abc", "0x10", "\u0663", "9" * 19, "1 2", "NaN"]
)
async def test_AZ_17_a_max_age_that_is_no_whole_number_is_refused(world: World, max_age: str) -> None:
    await refused(world, "invalid_request", max_age=max_age)


@pytest.mark.parametrize("max_age", ["9" * 18, "315360000", "86400"])
async def test_AZ_17_a_huge_max_age_is_no_bug(world: World, max_age: str) -> None:
    visitor = Visitor(world)
    await visitor.code()
    assert "code" in redirected(await visitor.authorize(max_age=max_age))


@pytest.mark.parametrize(("max_age", "waited_s"), [("0", 0), ("0", 5), ("60", 60), ("60", 3000)])
@pytest.mark.parametrize("given", ["max_age", "prompt=login"])
async def test_AZ_17_an_old_sign_in_is_made_again_and_auth_time_is_the_new_one(
    max_age: str, waited_s: int, given: str
) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.code()
    world.clock.advance(seconds=waited_s)
    asked = {"max_age": max_age} if given == "max_age" else {"prompt": "login"}
    await visitor.authorize(**asked)
    assert "login-submit" in visitor.page.ids
    world.clock.advance(seconds=7)
    await visitor.sign_in()
    claimed = claims_of((await tokens(world, visitor))["id_token"])
    assert claimed["auth_time"] == int(world.clock.now().timestamp())


async def test_AZ_17_a_recent_sign_in_is_enough(world: World) -> None:
    visitor = Visitor(world)
    await visitor.code()
    assert "code" in redirected(await visitor.authorize(max_age="60"))


@pytest.mark.parametrize("asked", [{"max_age": "0"}, {"max_age": "60"}])
async def test_AZ_17_a_silent_request_is_not_satisfied_by_an_old_sign_in(asked: dict[str, str]) -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.code()
    world.clock.advance(seconds=60)
    response = await visitor.authorize(**asked, prompt="none", state="s")
    is_redirect_error(response, "login_required", state="s")


async def test_AZ_17_a_page_that_was_open_before_does_not_count_as_a_new_sign_in() -> None:
    """Signing in in one tab answers `max_age=0` of that tab only."""
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize(max_age="0")
    waiting = visitor.response
    await visitor.authorize()
    await visitor.sign_in()
    await visitor.get(str(waiting.request.url))
    assert "login-submit" in visitor.page.ids


# ------------------------------------------------------------ response_mode, scope, API


@pytest.mark.parametrize("mode", ["web_message", "form_post.jwt", "query.jwt", "Query", "x"])
async def test_AZ_04_a_response_mode_that_cannot_be_is_refused_in_the_default_one(
    world: World, mode: str
) -> None:
    await refused(world, "invalid_request", response_mode=mode)


@pytest.mark.parametrize("scope", ['openid "', "openid \\", "openid \u00e9", "openid\tprofile"])
async def test_AZ_07_a_scope_beyond_its_grammar_is_refused(world: World, scope: str) -> None:
    parameters = authorize_parameters(scope=scope, state="s")
    with no_row(world):
        for response in await both(world, urlencode(parameters)):
            if "\t" in scope:
                is_page(response)  # a control character is a byte that no parameter may hold
            else:
                is_redirect_error(response, "invalid_scope", state="s")


@pytest.mark.parametrize(
    "asked",
    [
        {"audience": "https://nobody.example.test/"},
        {"resource": "https://nobody.example.test/"},
        {"audience": TIMESHEETS, "resource": PAYROLL},
        {"audience": f"{TIMESHEETS}/"},
        {"audience": TIMESHEETS.upper()},
        {"client_id": "paycheck", "audience": PAYROLL},
    ],
)
async def test_AZ_08_an_api_that_is_not_for_this_app_is_refused(world: World, asked: dict[str, str]) -> None:
    await refused(world, "invalid_target", **asked)
