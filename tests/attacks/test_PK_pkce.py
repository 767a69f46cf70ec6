"""PK: a stolen code is worth nothing without its verifier (RFC 7636, RFC 9700 §2.1.1, §4.8.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from innkeeper.oauth import pkce
from tests.attacks.authorizing import FORM, refused
from tests.attacks.oracles import is_json_error, is_redirect_error, no_row, redirected, rows, still_works
from tests.visitor import BROWSER, Visitor
from tests.world import (
    SPA_CALLBACK,
    VERIFIER,
    WEB_CALLBACK,
    World,
    a_public_client,
    a_world,
    authorize_parameters,
    basic,
    code_form,
)

CHALLENGE = pkce.s256(VERIFIER)
OTHER_VERIFIER = "w" * 64
EXEMPT_CALLBACK = "https://exempt.example.test/cb"
CALLBACK_OF = {
    "web": WEB_CALLBACK,
    "spa": SPA_CALLBACK,
    "native": "com.example.app:/cb",
    "exempt": EXEMPT_CALLBACK,
}


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    # A record that says a public app is exempt: no command writes it, and it must not count.
    exempt = a_public_client("exempt", redirect_uris=(EXEMPT_CALLBACK,), require_pkce=False)
    made = await a_world(extra_clients=(exempt,))
    yield made
    await still_works(made)


async def redeem(world: World, code: str, client_id: str = "web", **changes: str | None) -> httpx2.Response:
    """The token request of a confidential app with its secret."""
    return await world.http().post("/oauth/token", data=code_form(code, **changes), headers=basic(client_id))


async def code_without_challenge(world: World) -> str:
    return await Visitor(world).code(client_id="plain", code_challenge=None, code_challenge_method=None)


async def gives_nothing(world: World, code: str, client_id: str = "web", **changes: str | None) -> None:
    """J(400, invalid_grant), and the code is burnt: the right request is too late."""
    before = rows(world)["access_tokens"]
    is_json_error(await redeem(world, code, client_id, **changes), 400, "invalid_grant")
    is_json_error(await redeem(world, code, client_id), 400, "invalid_grant")
    assert rows(world)["access_tokens"] == before


# ------------------------------------------------------------ the authorization request


@pytest.mark.parametrize("client_id", CALLBACK_OF)
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"code_challenge": ""},
        {"code_challenge_method": "S256"},
        {"code_challenge": "", "code_challenge_method": "S256"},
        {"code_challenge": CHALLENGE},
    ],
    ids=["nothing", "empty", "method only", "empty with method", "no method"],
)
async def test_PK_01_an_app_that_must_use_pkce_gets_no_code_without_it(
    world: World, client_id: str, sent: dict[str, str]
) -> None:
    uri = CALLBACK_OF[client_id]
    none = {"code_challenge": None, "code_challenge_method": None}
    parameters = authorize_parameters(client_id=client_id, redirect_uri=uri, state="s", **(none | sent))
    with no_row(world):
        direct = await world.http().get("/authorize", params=parameters, headers=BROWSER)
        posted = await world.http().post("/authorize", data=parameters, headers=FORM)
        posted = await world.http().get(posted.headers["location"], headers=BROWSER)
    for response in (direct, posted):
        is_redirect_error(response, "invalid_request", redirect_uri=uri, state="s")


@pytest.mark.parametrize("method", ["plain", "s256", "S512", "none", "", "S256 ", "S256,plain", None])
async def test_PK_02_no_method_but_s256_is_understood(world: World, method: str | None) -> None:
    await refused(world, "invalid_request", code_challenge_method=method)
    await refused(world, "invalid_request", code_challenge=VERIFIER, code_challenge_method=method)


async def test_PK_02_an_exempt_app_that_uses_pkce_uses_it_rightly(world: World) -> None:
    for sent in ({"code_challenge_method": "plain"}, {"code_challenge": ""}, {"code_challenge": "x"}):
        await refused(world, "invalid_request", client_id="plain", **sent)


@pytest.mark.parametrize(
    "challenge",
    [CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE + "=", VERIFIER, "", "+" + CHALLENGE[1:], "/" + CHALLENGE[1:],
     "." + CHALLENGE[1:], "\u00e9" * 43, f"{CHALLENGE[:-1]} ", "A" * 128, "A" * 2_000],
)  # fmt: skip
async def test_PK_07_a_challenge_that_is_no_sha_256_digest_is_refused(world: World, challenge: str) -> None:
    await refused(world, "invalid_request", code_challenge=challenge)


async def test_PK_02_metadata_promises_s256_alone(world: World) -> None:
    metadata = (await world.http().get("/.well-known/openid-configuration")).json()
    assert metadata["code_challenge_methods_supported"] == ["S256"]


async def test_PK_07_the_challenge_is_in_no_answer(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize()
    assert CHALLENGE not in visitor.response.text
    await visitor.sign_in()
    assert CHALLENGE not in visitor.location and redirected(visitor.response)["code"]
    silent = await world.http().get("/authorize", params=authorize_parameters(prompt="none"))
    assert CHALLENGE not in silent.headers["location"]


# ------------------------------------------------------------ the token request


@pytest.mark.parametrize("verifier", [VERIFIER, CHALLENGE, "x"])
async def test_PK_04_a_verifier_without_a_challenge_is_a_downgrade(world: World, verifier: str) -> None:
    code = await code_without_challenge(world)
    is_json_error(await redeem(world, code, "plain", code_verifier=verifier), 400, "invalid_grant")
    is_json_error(await redeem(world, code, "plain", code_verifier=None), 400, "invalid_grant")


async def test_PK_04_an_exempt_app_without_either_gets_its_tokens(world: World) -> None:
    answer = await redeem(world, await code_without_challenge(world), "plain", code_verifier=None)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "verifier", [None, "", CHALLENGE, OTHER_VERIFIER], ids=["none", "empty", "challenge", "other"]
)
async def test_PK_05_10_a_wrong_verifier_burns_the_code(world: World, verifier: str | None) -> None:
    await gives_nothing(world, await Visitor(world).code(), code_verifier=verifier)


@pytest.mark.parametrize(
    "verifier",
    [VERIFIER + "v", VERIFIER[:-1], VERIFIER.upper(), f"{VERIFIER} ", VERIFIER + "=", "v" * 42, "v" * 129,
     "v" * 2_000, "\u00e9" * 64, VERIFIER[:-1] + "\u0475"],
)  # fmt: skip
async def test_PK_10_almost_the_right_verifier_burns_the_code(world: World, verifier: str) -> None:
    await gives_nothing(world, await Visitor(world).code(), code_verifier=verifier)


async def test_PK_10_two_verifiers_are_not_chosen_from(world: World) -> None:
    code = await Visitor(world).code()
    body = "&".join(
        [
            "grant_type=authorization_code",
            f"code={code}",
            f"redirect_uri={WEB_CALLBACK}",
            f"code_verifier={OTHER_VERIFIER}",
            f"code_verifier={VERIFIER}",
        ]
    )
    headers = basic("web") | {"content-type": "application/x-www-form-urlencoded"}
    answer = await world.http().post("/oauth/token", content=body.encode(), headers=headers)
    is_json_error(answer, 400, "invalid_request")


async def test_PK_08_a_verifier_redeems_the_code_of_its_own_request_only(world: World) -> None:
    """Code injection: both codes belong to the same app, and the attacker knows one verifier."""
    stolen = await Visitor(world).code("mona")
    own = await Visitor(world).code("erin", code_challenge=pkce.s256(OTHER_VERIFIER))
    is_json_error(await redeem(world, stolen, code_verifier=OTHER_VERIFIER), 400, "invalid_grant")
    answer = await redeem(world, own, code_verifier=OTHER_VERIFIER)
    assert answer.status_code == 200
    is_json_error(await redeem(world, stolen), 400, "invalid_grant")


async def test_PK_08_who_intercepts_a_public_apps_code_gets_nothing(world: World) -> None:
    visitor = Visitor(world)
    await visitor.authorize(client_id="spa", redirect_uri=SPA_CALLBACK)
    await visitor.sign_in()
    code = redirected(visitor.response, redirect_uri=SPA_CALLBACK)["code"]
    form = code_form(code, client_id="spa", redirect_uri=SPA_CALLBACK)
    stolen = await world.http().post("/oauth/token", data=form | {"code_verifier": OTHER_VERIFIER})
    is_json_error(stolen, 400, "invalid_grant")
    late = await world.http().post("/oauth/token", data=form)
    is_json_error(late, 400, "invalid_grant")


async def test_PK_11_a_challenge_may_come_again_and_each_code_is_still_its_own(world: World) -> None:
    codes = [await Visitor(world).code() for _ in range(3)]
    answers = [await redeem(world, code) for code in codes]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["access_token"] for answer in answers}) == 3
