"""The grants of the token endpoint: each gives a token that works, each other one is unknown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from innkeeper.server.flows.administer import issuers
from innkeeper.server.flows.administer.issuers import IssuerChanges
from innkeeper.server.protocol.grants.jwt_bearer import JwtBearer
from innkeeper.server.protocol.grants.token_exchange import ACCESS_TOKEN, TokenExchange
from tests.assertions import a_key, assertion
from tests.attacks.oracles import is_json_error
from tests.attacks.token_requests import redeem, userinfo
from tests.fronting import answered, claims_of
from tests.refreshing import refresh, signed_in
from tests.television import DEVICE_GRANT, Phone, poll, shown
from tests.visitor import Visitor
from tests.walk.worlds import GUARD
from tests.world import PASSWORD, PAYROLL, TIMESHEETS, World, basic

REALM_GRANT = "http://auth0.com/oauth/grant-type/password-realm"
OTHERS = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    DEVICE_GRANT,
    "password",
    REALM_GRANT,
    "implicit",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    JwtBearer.name,
    TokenExchange.name,
    "urn:ietf:params:oauth:grant-type:pre-authorized_code",
    "AUTHORIZATION_CODE",
    "authorization_code ",
    "device_code",
)


async def _code(world: World) -> None:
    got = await redeem(world, await Visitor(world).code())
    assert (await userinfo(world, got.json()["access_token"])).status_code == 200


async def _refresh(world: World) -> None:
    first = await signed_in(world)
    got = await refresh(world, first["refresh_token"])
    assert got.status_code == 200
    assert got.json()["refresh_token"] != first["refresh_token"]


async def _machine(world: World) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    got = await world.http().post("/oauth/token", data=form, headers=basic(GUARD))
    assert claims_of(got.json()["access_token"])["sub"] == GUARD


async def _device(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    got = await poll(world, codes)
    assert got.status_code == 200
    assert claims_of(got.json()["id_token"])["sub"] == "ik|erin"


async def _password(world: World) -> None:
    await _by_password(world, grant_type="password")


async def _realm(world: World) -> None:
    await _by_password(world, grant_type=REALM_GRANT, realm="default")


async def _by_password(world: World, **form: str) -> None:
    sent = {"username": "erin", "password": PASSWORD, "scope": "openid"} | form
    got = await world.http().post("/oauth/token", data=sent, headers=basic("front"))
    assert got.status_code == 200, got.text
    assert (await userinfo(world, got.json()["access_token"])).json()["sub"] == "ik|erin"


async def _exchange(world: World) -> None:
    """`guard` gets a token for the next API with the one that it was shown."""
    form = {
        "grant_type": TokenExchange.name,
        "subject_token": (await signed_in(world))["access_token"],
        "subject_token_type": ACCESS_TOKEN,
        "audience": PAYROLL,
    }
    got = await world.http().post("/oauth/token", data=form, headers=basic(GUARD))
    told = claims_of(got.json()["access_token"])
    assert (told["sub"], told["aud"], told["act"]["sub"]) == ("ik|erin", PAYROLL, GUARD)


async def _statement(world: World) -> None:
    """`guard` brings what a partner says of erin."""
    partner = "https://partner.example.test"
    await issuers.create(world.services, partner, IssuerChanges(add_keys=(a_key(),), apps=(GUARD,)))
    await world.services.registry.refresh()
    said = assertion(partner, header={"typ": "JWT"}, sub="ik|erin")
    form = {"grant_type": JwtBearer.name, "assertion": said, "audience": TIMESHEETS}
    got = await world.http().post("/oauth/token", data=form, headers=basic(GUARD))
    assert claims_of(got.json()["access_token"])["sub"] == "ik|erin"


async def _implicit(world: World) -> None:
    """A grant of the authorization endpoint alone."""
    assert "id_token" in await answered(world, response_type="id_token")
    await unknown(world, "implicit")


BY_NAME: dict[str, Callable[[World], Awaitable[None]]] = {
    "authorization_code": _code,
    "refresh_token": _refresh,
    "client_credentials": _machine,
    DEVICE_GRANT: _device,
    "password": _password,
    REALM_GRANT: _realm,
    "implicit": _implicit,
    TokenExchange.name: _exchange,
    JwtBearer.name: _statement,
}


async def grant_type(world: World, value: str) -> None:
    assert value in BY_NAME, f"nobody exercises the grant {value}"
    await BY_NAME[value](world)


async def unknown(world: World, value: str) -> None:
    """Even for an app that is registered for it."""
    await world.change("web", grant_types=("authorization_code", value))
    answer = await world.http().post("/oauth/token", data={"grant_type": value}, headers=basic("web"))
    is_json_error(answer, 400, "unsupported_grant_type")
