"""What tokens and answers tell: scopes, claims, names of people, and what signs it."""

from __future__ import annotations

import json

import httpx2
from click.testing import CliRunner

from innkeeper.server.cli.main import root
from innkeeper.server.protocol.tokens import user_claims
from tests.attacks.token_requests import redeem, userinfo
from tests.fronting import FRONT_CALLBACK, answered, claims_of
from tests.refreshing import signed_in
from tests.visitor import Visitor
from tests.walk.authenticating import Exercise
from tests.walk.worlds import told
from tests.world import World

OTHER_SCOPES = (
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
    "groups",
    "roles",
    "unheard:of",
    "OPENID",
    "profile:read",
)
OTHER_CLAIMS = (*user_claims.NAMES, "groups", "roles", "password", "salary", "_claim_names", "credential")
OTHER_SUBJECTS = ("public", "pairwise", "ephemeral", "PUBLIC")
OTHER_ALGORITHMS = ("ES256", "RS256", "none", "HS256", "PS256", "ES384", "EdDSA", "RS1")
EVERYTHING = "openid profile email address phone"


async def scope(world: World, value: str) -> None:
    wanted = value if value == "openid" else f"openid {value}"
    got = (await redeem(world, await Visitor(world).code(scope=wanted))).json()
    assert set(got["scope"].split()) == set(wanted.split())


async def no_scope(world: World, value: str) -> None:
    """Left out, and the answer says so (RFC 6749 §3.3)."""
    got = (await redeem(world, await Visitor(world).code(scope=f"openid {value}"))).json()
    assert got["scope"] == "openid"


async def everything_told(world: World) -> dict[str, object]:
    """By the ID token of the front channel, that of the token endpoint, and userinfo."""
    front = await answered(world, scope=EVERYTHING, response_type="code id_token")
    got = (await redeem(world, front["code"], "front", redirect_uri=FRONT_CALLBACK)).json()
    in_userinfo = (await userinfo(world, got["access_token"])).json()
    return claims_of(front["id_token"]) | claims_of(got["id_token"]) | in_userinfo


async def claim(world: World, value: str) -> None:
    assert value in await everything_told(world)


async def no_claim(world: World, value: str) -> None:
    """Neither by itself nor when it is demanded."""
    assert value not in await everything_told(world)
    wanted = {value: {"essential": True}}
    answer = await told(world, claims=json.dumps({"id_token": wanted, "userinfo": wanted}))
    got = (await redeem(world, answer["code"])).json()
    assert value not in claims_of(got["id_token"])
    assert value not in (await userinfo(world, got["access_token"])).json()


async def subject_type(world: World, value: str) -> None:
    """Two apps hear one name, or each a name of its own; and each the same one everywhere."""
    names = []
    for client_id in ("web", "spa"):
        await world.change(client_id, subject_type=value)
        got = await signed_in(world, client_id, scope="openid", audience=None)
        in_userinfo = (await userinfo(world, got["access_token"])).json()["sub"]
        assert claims_of(got["id_token"])["sub"] == in_userinfo
        names.append(in_userinfo)
    assert (names == ["ik|erin", "ik|erin"]) == (value == "public")
    assert (len(set(names)) == 2) == (value == "pairwise")


async def id_token_algorithm(world: World, value: str) -> None:
    await world.change("web", id_token_signed_response_alg=value)
    got = (await redeem(world, await Visitor(world).code())).json()
    assert header_of(got["id_token"])["alg"] == value


async def userinfo_algorithm(world: World, value: str) -> None:
    await world.change("web", userinfo_signed_response_alg=value)
    got = (await redeem(world, await Visitor(world).code())).json()
    answer: httpx2.Response = await userinfo(world, got["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    assert header_of(answer.text)["alg"] == value


def header_of(token: str) -> dict[str, object]:
    """Of a JWT."""
    return claims_of(f".{token.partition('.')[0]}.")


def not_registrable(option: str) -> Exercise:
    """An app is registered by a command, and that refuses it before anything is written."""

    async def refusal(world: World, value: str) -> None:
        words = ["app", "create", "x", "--type", "regular_web", option, value]
        done = CliRunner().invoke(root, words)
        assert done.exit_code == 2
        assert f"'{value}' is not one of" in done.output

    return refusal
