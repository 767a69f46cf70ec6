"""Each address of the document is used for what it is there for."""

from __future__ import annotations

from urllib.parse import urlsplit

import joserfc.jwk
import joserfc.jwt

from tests.attacks.token_requests import redeem, tokens, userinfo
from tests.fronting import claims_of
from tests.refreshing import signed_in
from tests.television import Phone, ask, poll
from tests.visitor import BROWSER, Page, Visitor
from tests.walk.worlds import GUARD, told
from tests.world import TIMESHEETS, World, authorize_parameters, basic


async def issuer(world: World, value: str) -> None:
    """It signs what it says, and names itself in every answer."""
    answer = await told(world)
    assert answer["iss"] == value
    got = (await redeem(world, answer["code"])).json()
    assert claims_of(got["id_token"])["iss"] == value


async def authorization_endpoint(world: World, value: str) -> None:
    """By GET and by POST."""
    visitor = Visitor(world)
    assert "login-submit" in (await _at(visitor, value)).ids
    posted = await world.http().post(value, data=authorize_parameters())
    assert posted.status_code == 303


async def _at(visitor: Visitor, url: str) -> Page:
    visitor.response = await visitor.http.get(url, params=authorize_parameters(), headers=BROWSER)
    await visitor._follow()
    return visitor.page


async def token_endpoint(world: World, value: str) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    answer = await world.http().post(value, data=form, headers=basic(GUARD))
    assert answer.status_code == 200
    assert (await world.http().post(value, json=form, headers=basic(GUARD))).status_code == 200
    assert (await world.http().get(value)).status_code == 405


async def userinfo_endpoint(world: World, value: str) -> None:
    """By GET and by POST."""
    bearer = {"authorization": f"Bearer {(await tokens(world))['access_token']}"}
    for answer in (
        await world.http().get(value, headers=bearer),
        await world.http().post(value, headers=bearer),
    ):
        assert answer.json()["sub"] == "ik|erin"


async def jwks_uri(world: World, value: str) -> None:
    """Somebody else's library verifies with it."""
    keys = joserfc.jwk.KeySet.import_key_set((await world.http().get(value)).json())
    got = await signed_in(world)
    for name in ("id_token", "access_token"):
        token = joserfc.jwt.decode(got[name], keys, algorithms=["RS256", "ES256"])
        assert token.claims["sub"] == "ik|erin"


async def end_session_endpoint(world: World, value: str) -> None:
    """Without a hint it asks; with the hint of who is signed in it ends the session."""
    visitor = Visitor(world)
    got = (await redeem(world, await visitor.code())).json()
    await visitor.get(value)
    assert "logout-confirm" in visitor.page.ids
    await visitor.get(f"{value}?id_token_hint={got['id_token']}")
    await visitor.authorize(prompt="none")
    assert visitor.answer()["error"] == "login_required"


async def device_authorization_endpoint(world: World, value: str) -> None:
    assert urlsplit(value).path == "/oauth/device/code"
    codes = (await ask(world)).json()
    await Phone(world).connect(codes)
    assert (await poll(world, codes)).status_code == 200


async def introspection_endpoint(world: World, value: str) -> None:
    form = {"token": (await signed_in(world))["access_token"]}
    answer = await world.http().post(value, data=form, headers=basic(GUARD))
    assert answer.json()["active"] is True


async def revocation_endpoint(world: World, value: str) -> None:
    token = (await tokens(world))["access_token"]
    answer = await world.http().post(value, data={"token": token}, headers=basic("web"))
    assert answer.status_code == 200
    assert (await userinfo(world, token)).status_code == 401
