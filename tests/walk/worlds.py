"""The world in which each promise of the discovery document is kept: one app of each kind, everything registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from innkeeper.server.config import LegacyFlows
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.user import Address, Profile
from innkeeper.server.protocol import discovery
from innkeeper.server.protocol.grants import GRANTS, legacy_grants
from innkeeper.server.protocol.grants.jwt_bearer import JwtBearer
from innkeeper.server.protocol.grants.token_exchange import TokenExchange
from innkeeper.server.protocol.response_types import IMPLICIT
from innkeeper.server.web.pages.locale import LOCALES
from tests.fronting import a_front_client
from tests.refreshing import may_refresh
from tests.television import TELEVISION
from tests.visitor import BROWSER, Visitor
from tests.world import (
    ISSUER,
    PAYROLL,
    TIMESHEETS,
    World,
    a_client,
    a_public_client,
    a_world,
    authorize_parameters,
)

SETTINGS: dict[str, LegacyFlows] = {
    "default": LegacyFlows(),
    "everything": LegacyFlows(password=True, implicit=True, front_channel_access_tokens=True),
    "password": LegacyFlows(password=True),
    "implicit": LegacyFlows(implicit=True),
    "tokens": LegacyFlows(front_channel_access_tokens=True),
}
"""What an operator may switch on, alone and together."""
GUARD = "guard"
SCOPE = "read:timesheets"


def document(name: str) -> dict[str, Any]:
    """What discovery says under these settings; the first test of the walk holds it against the served one."""
    legacy = SETTINGS[name]
    grants = (*GRANTS, *legacy_grants(legacy))
    found: dict[str, Any] = msgspec.json.decode(discovery.metadata(ISSUER, grants, LOCALES, legacy).to_json())
    return found


def promises() -> Iterator[tuple[str, str, Any]]:
    """Settings, member, one of its values. Under one switch alone only the members that it moves."""
    usual = document("default")
    for name in SETTINGS:
        for member, value in document(name).items():
            if name in ("default", "everything") or value != usual[member]:
                for single in value if isinstance(value, list) else [value]:
                    yield name, member, single


async def a_walked_world(name: str) -> World:
    """`front` may do whatever people do, `guard` whatever machines do, `tv` shows codes; erin has every claim."""
    machine: dict[str, Any] = {
        "type": "m2m",
        "redirect_uris": (),
        "response_types": (),
        "grant_types": ("client_credentials", TokenExchange.name, JwtBearer.name),
        "resource_server_of": (TIMESHEETS,),
        "api_grants": (
            ApiGrant(api=TIMESHEETS, scope=(SCOPE,)),
            ApiGrant(api=PAYROLL, scope=("read:payroll",)),
        ),
    }
    grants = tuple(grant.name for grant in (*GRANTS, *legacy_grants(SETTINGS["everything"])))
    apps = (
        a_front_client(grant_types=(*grants, IMPLICIT)),
        a_client(GUARD, **machine),
        a_public_client("tv", **TELEVISION),
    )
    world = await a_world(extra_clients=apps, legacy=SETTINGS[name])
    await may_refresh(world, "web", "spa")
    full = Profile(**dict.fromkeys(Profile.__struct_fields__, "x"))
    await world.change_user("erin", profile=full, address=Address(formatted="Somewhere 1"))
    return world


async def told(world: World, **parameters: str | None) -> dict[str, str]:
    """What `web` hears of somebody who is signed in; a page is a failure."""
    visitor = Visitor(world)
    await visitor.code()
    visitor.response = await visitor.http.get(
        "/authorize", params=authorize_parameters(**parameters), headers=BROWSER
    )
    return visitor.answer()
