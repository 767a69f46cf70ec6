"""APIs that ask about the tokens they are shown, and every way in which an app may have come by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec

from innkeeper.server.config import LegacyFlows
from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.identifiers import ApiIdentifier
from tests.attacks.token_requests import tables
from tests.fronting import a_front_client, answered
from tests.passwords import PLAIN, ask
from tests.refreshing import a_refreshing_world, refreshed, signed_in
from tests.television import DEVICE_GRANT, Phone, shown
from tests.world import PAYROLL, TIMESHEETS, World, a_client, basic

INACTIVE = {"active": False}
EVERYTHING = LegacyFlows(password=True, implicit=True, front_channel_access_tokens=True)
GUARD = "timesheets-api"
OTHER_GUARD = "payroll-api"
FORMS: dict[str, dict[str, Any]] = {
    "jwt": {},
    "opaque": {"token_format": "opaque"},
    "auth0": {"token_profile": "auth0"},
}
"""What an API's access tokens look like."""
Got = Callable[[World], Awaitable[str]]


async def a_guarded_world(**settings: Any) -> World:
    """`timesheets-api` and `payroll-api` guard their APIs; `front`, `terminal` and `box` have ways of their own."""
    machine: dict[str, Any] = {"type": "m2m", "redirect_uris": (), "response_types": (), "grant_types": ()}
    guards = (
        a_client(GUARD, **machine, resource_server_of=(TIMESHEETS,)),
        a_client(OTHER_GUARD, **machine, resource_server_of=(PAYROLL,)),
    )
    others = (
        a_front_client(),
        a_client("terminal", grant_types=(PLAIN, "refresh_token")),
        a_client("box", grant_types=(DEVICE_GRANT, "refresh_token")),
    )
    return await a_refreshing_world(extra_clients=(*guards, *others), legacy=EVERYTHING, **settings)


async def set_api(world: World, identifier: ApiIdentifier = TIMESHEETS, **changes: Any) -> None:
    """As an administrator changes it."""
    api = await world.services.store.apis.get(identifier)
    assert api is not None
    await world.services.store.apis.replace(msgspec.structs.replace(api, **changes), events=())
    await world.services.registry.refresh()


async def by_code(world: World) -> str:
    """erin's, through `web`."""
    return str((await signed_in(world))["access_token"])


async def by_refresh(world: World) -> str:
    """erin's, through `web`, which has refreshed it."""
    return str((await refreshed(world, (await signed_in(world))["refresh_token"]))["access_token"])


async def machine_tokens(world: World, **form: str) -> httpx2.Response:
    """What `cron` is answered."""
    sent = {"grant_type": "client_credentials", "audience": TIMESHEETS} | form
    return await world.http().post("/oauth/token", data=sent, headers=basic("cron"))


async def by_itself(world: World) -> str:
    """cron's own."""
    answer = await machine_tokens(world)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def by_password(world: World) -> str:
    """erin's, through `terminal`, which took her password."""
    form: dict[str, Any] = {"audience": TIMESHEETS, "scope": "openid profile read:timesheets"}
    answer = await ask(world, **form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def by_device(world: World) -> str:
    """erin's, through `box`, which showed her a code."""
    proof = basic("box")
    codes = await shown(world, client_id="box", headers=proof)
    await Phone(world).connect(codes)
    form = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    answer = await world.http().post("/oauth/token", data=form, headers=proof)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def by_front_channel(response_type: str) -> Got:
    """erin's, through `front`, out of the address bar."""

    async def got(world: World) -> str:
        scope = "openid profile read:timesheets"
        told = await answered(world, response_type=response_type, audience=TIMESHEETS, scope=scope)
        return told["access_token"]

    return got


GRANTS: dict[str, tuple[str, Got]] = {
    "code": ("web", by_code),
    "refresh": ("web", by_refresh),
    "client_credentials": ("cron", by_itself),
    "password": ("terminal", by_password),
    "implicit": ("front", by_front_channel("id_token token")),
    "device": ("box", by_device),
    "hybrid": ("front", by_front_channel("code token")),
}
"""Who holds the access token, and how it was got."""


async def introspect(world: World, token: str, client_id: str = GUARD, **form: str) -> httpx2.Response:
    return await world.http().post(
        "/oauth/introspect", data={"token": token} | form, headers=basic(client_id)
    )


async def told(world: World, token: str, client_id: str = GUARD, **form: str) -> dict[str, Any]:
    """What the caller is told about the token."""
    answer = await introspect(world, token, client_id, **form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    body: dict[str, Any] = answer.json()
    return body


async def is_live(world: World, token: str, client_id: str = GUARD) -> bool:
    """Whether it is active; an inactive one says nothing else."""
    body = await told(world, token, client_id)
    assert body["active"] is True or body == INACTIVE, body
    return bool(body["active"])


def opaque_rows(world: World) -> list[OpaqueAccessToken]:
    return list(tables(world).access_tokens.values())
