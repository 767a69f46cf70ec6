"""Attacks on userinfo: tokens of the wrong kind, in the wrong place, of people who are gone, altered by a bit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from innkeeper.jose import base64url
from innkeeper.oauth.errors import OAuthError
from innkeeper.server.flows import userinfo as flow
from tests.attacks.oracles import is_json_error, is_sound, keeps_secrets, no_row, still_works
from tests.attacks.token_requests import (
    ENDINGS,
    FOR_API,
    FOR_USERINFO,
    delete_person,
    disable_person,
    tables,
    tokens,
    userinfo,
)
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_world, basic, code_form

pytestmark = pytest.mark.anyio
BOTH_KINDS = pytest.mark.parametrize("kind", [FOR_USERINFO, FOR_API], ids=["opaque", "jwt"])


@pytest.fixture
async def world() -> World:
    return await a_world()


def is_challenge(response: httpx2.Response, status: int, error: str) -> None:
    """RFC 6750 §3: the code stands in the challenge too, and nothing breaks out of its quotes."""
    is_json_error(response, status, error)
    [challenge] = response.headers.get_list("www-authenticate")
    assert challenge.startswith('Bearer realm="OAuth"')
    assert f'error="{error}"' in challenge


# ------------------------------------------------------------ IN-13: where the token stands


@BOTH_KINDS
async def test_IN_13_a_token_in_the_query_is_refused(world: World, kind: dict[str, Any]) -> None:
    token = (await tokens(world, **kind))["access_token"]
    for headers in ({}, {"authorization": f"Bearer {token}"}):
        answer = await world.http().get("/userinfo", params={"access_token": token}, headers=headers)
        is_challenge(answer, 400, "invalid_request")
        assert token not in answer.text and token not in str(answer.headers)
    keeps_secrets(world, token)


async def test_IN_13_without_credentials_the_challenge_names_no_error(world: World) -> None:
    for headers in ({}, {"authorization": ""}, basic("web")):
        answer = await world.http().get("/userinfo", headers=headers)
        is_sound(answer)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="OAuth"'


MALFORMED = {
    "the scheme alone": "Bearer",
    "the scheme and a space": "Bearer ",
    "a tab": "Bearer\t{token}",
    "two tokens": "Bearer {token} {token}",
    "a comma": "Bearer {token}, Bearer {token}",
    "quotes": 'Bearer "{token}"',
    "a parameter": "Bearer token={token}",
    "a space inside": "Bearer {token} x",
    "beyond ASCII": "Bearer {token}é",
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED.keys())
async def test_IN_13_malformed_credentials_are_refused(world: World, header: str) -> None:
    token = (await tokens(world))["access_token"]
    value = header.format(token=token).encode("latin-1")
    answer = await world.http().get("/userinfo", headers=[(b"authorization", value)])
    is_sound(answer)
    assert answer.status_code in (400, 401)
    assert "www-authenticate" in answer.headers
    assert "email" not in answer.text


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_IN_13_the_scheme_has_no_case(world: World, scheme: str) -> None:
    token = (await tokens(world))["access_token"]
    answer = await world.http().get("/userinfo", headers={"authorization": f"{scheme} {token}"})
    assert answer.status_code == 200


async def test_IN_13_two_authorization_headers_are_refused(world: World) -> None:
    value = "Bearer " + (await tokens(world))["access_token"]
    headers = [("authorization", value), ("authorization", value)]
    answer = await world.http().get("/userinfo", headers=headers)
    is_sound(answer)
    assert answer.status_code == 400


async def test_IN_13_a_token_in_header_and_body_is_refused(world: World) -> None:
    token = (await tokens(world))["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    answer = await world.http().post("/userinfo", data={"access_token": token}, headers=headers)
    is_challenge(answer, 400, "invalid_request")


async def test_IN_13_two_tokens_in_the_body_are_refused(world: World) -> None:
    token = (await tokens(world))["access_token"]
    body = f"access_token={token}&access_token={token}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await world.http().post("/userinfo", content=body, headers=headers)
    is_challenge(answer, 400, "invalid_request")


@BOTH_KINDS
async def test_IN_13_one_token_in_header_or_body_is_answered(world: World, kind: dict[str, Any]) -> None:
    token = (await tokens(world, **kind))["access_token"]
    for answer in (
        await userinfo(world, token),
        await world.http().post("/userinfo", headers={"authorization": f"Bearer {token}"}),
        await world.http().post("/userinfo", data={"access_token": token}),
    ):
        assert answer.status_code == 200
        assert answer.json()["sub"] == "ik|erin"
        assert answer.headers["cache-control"] == "no-store"


# ------------------------------------------------------------ IN-13: which token it is


async def test_IN_13_an_id_token_is_no_access_token(world: World) -> None:
    for client_id in ("web", "es256"):
        code = await Visitor(world).code(client_id=client_id)
        form = code_form(code)
        answered = (await world.http().post("/oauth/token", data=form, headers=basic(client_id))).json()
        is_challenge(await userinfo(world, answered["id_token"]), 401, "invalid_token")


async def test_IN_13_a_machines_token_is_refused(world: World) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    token = (await world.http().post("/oauth/token", data=form, headers=basic("cron"))).json()["access_token"]
    is_challenge(await userinfo(world, token), 403, "insufficient_scope")


async def test_IN_13_without_openid_there_is_nothing_to_tell(world: World) -> None:
    answered = await tokens(world, audience=TIMESHEETS, scope="read:timesheets")
    answer = await userinfo(world, answered["access_token"])
    is_challenge(answer, 403, "insufficient_scope")
    assert 'scope="openid"' in answer.headers["www-authenticate"]


async def test_IN_13_other_handles_are_no_access_tokens(world: World) -> None:
    visitor = Visitor(world)
    code = await visitor.code()
    session = next(value for name, value in visitor.http.cookies.items() if "session" in name)
    for text in (
        code,
        session,
        "ik_at_" + code[6:],
        "ik_at_" + session[6:],
        "ik_ac_" + session[6:],
        "x",
        "." * 5,
    ):
        is_challenge(await userinfo(world, text), 401, "invalid_token")


async def test_IN_13_claims_come_by_scope_alone(world: World) -> None:
    token = (await tokens(world, scope="openid"))["access_token"]
    assert (await userinfo(world, token)).json() == {"sub": "ik|erin"}
    token = (await tokens(world, scope="openid email"))["access_token"]
    assert (await userinfo(world, token)).json().keys() == {"sub", "email", "email_verified"}


# ------------------------------------------------------------ IN-14: people and apps that have ended


@BOTH_KINDS
@pytest.mark.parametrize("end", ENDINGS)
async def test_IN_14_a_token_ends_with_what_it_stands_on(
    world: World, end: Callable[[World], Awaitable[None]], kind: dict[str, Any]
) -> None:
    token = (await tokens(world, **kind))["access_token"]
    await end(world)
    is_challenge(await userinfo(world, token), 401, "invalid_token")


@BOTH_KINDS
@pytest.mark.parametrize("end", [disable_person, delete_person])
async def test_IN_14_nobody_elses_token_ends_with_them(
    world: World, end: Callable[[World], Awaitable[None]], kind: dict[str, Any]
) -> None:
    token = (await tokens(world, "mona", **kind))["access_token"]
    await end(world)
    assert (await userinfo(world, token)).status_code == 200


@BOTH_KINDS
async def test_IN_14_a_token_ends_at_its_expiry(world: World, kind: dict[str, Any]) -> None:
    answered = await tokens(world, **kind)
    world.clock.advance(seconds=answered["expires_in"] - 1)
    assert (await userinfo(world, answered["access_token"])).status_code == 200
    world.clock.advance(seconds=1)
    is_challenge(await userinfo(world, answered["access_token"]), 401, "invalid_token")


@BOTH_KINDS
async def test_IN_04_a_revoked_grant_ends_its_token(world: World, kind: dict[str, Any]) -> None:
    token = (await tokens(world, **kind))["access_token"]
    [grant_id] = tables(world).grants
    await world.services.store.grants.revoke(grant_id, now=world.clock.now(), events=())
    is_challenge(await userinfo(world, token), 401, "invalid_token")


@BOTH_KINDS
async def test_IN_04_a_token_whose_grant_is_gone_is_refused(world: World, kind: dict[str, Any]) -> None:
    token = (await tokens(world, **kind))["access_token"]
    tables(world).grants.clear()
    is_challenge(await userinfo(world, token), 401, "invalid_token")


async def test_IN_14_a_token_of_another_deployment_is_refused(world: World) -> None:
    other = await a_world(issuer="https://id2.example.test")
    for kind in (FOR_USERINFO, FOR_API):
        token = (await tokens(other, **kind))["access_token"]
        is_challenge(await userinfo(world, token), 401, "invalid_token")


async def test_IN_14_the_store_away_is_no_reason_to_let_anybody_in(world: World) -> None:
    token = (await tokens(world))["access_token"]
    store: Any = world.services.store
    store.is_away = True
    answer = await userinfo(world, token)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    store.is_away = False
    await still_works(world)


# ------------------------------------------------------------ IN-16: every byte counts


def altered(token: str) -> set[str]:
    """Each bit flipped, each length, each byte appended and put before."""
    raw = token.encode()
    flipped = {
        (raw[:index] + bytes([raw[index] ^ 1 << bit]) + raw[index + 1 :]).decode("latin-1")
        for index in range(len(raw))
        for bit in range(8)
    }
    cut = {token[:length] for length in range(len(token))}
    longer = {token + chr(byte) for byte in range(256)} | {chr(byte) + token for byte in range(256)}
    return (flipped | cut | longer) - {token}


@BOTH_KINDS
async def test_IN_16_no_altered_token_is_live(world: World, kind: dict[str, Any]) -> None:
    token = (await tokens(world, **kind))["access_token"]
    with no_row(world):
        for text in altered(token):
            with pytest.raises(OAuthError):
                await flow.answer(text, world.services)
    assert (await userinfo(world, token)).status_code == 200


async def test_IN_16_no_altered_token_passes_over_http(world: World) -> None:
    token = (await tokens(world))["access_token"]
    http = world.http()
    for index in range(len(token)):
        for text in (token[:index], token[:index] + chr(ord(token[index]) ^ 1) + token[index + 1 :]):
            answer = await http.get("/userinfo", headers={"authorization": f"Bearer {text}"})
            assert answer.status_code in (400, 401), text


async def test_IN_16_only_the_canonical_spelling_of_a_jwt_is_live(world: World) -> None:
    token = (await tokens(world, **FOR_API))["access_token"]
    header, payload, signature = token.split(".")
    raw = base64url.decode(signature)
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    mirrored = raw[:32] + (n - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    for text in (
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.{signature}.",
        f"{header}..{signature}",
        f"{header}.{payload}.",
        f"{header}=.{payload}.{signature}",
        f" {token}",
        f"{token}\n",
        f"{header}.{payload}.{base64url.encode(raw[:-1])}",
    ):
        with pytest.raises(OAuthError):
            await flow.answer(text, world.services)
    # ECDSA's mirrored signature is a signature too: it proves the same claims, so nothing may hang on the text.
    assert (await userinfo(world, f"{header}.{payload}.{base64url.encode(mirrored)}")).status_code == 200
