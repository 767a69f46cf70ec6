"""An API is deleted and another one takes its name: it inherits nothing that people allowed for the first."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from innkeeper.server.flows.administer import apis, clients
from innkeeper.server.flows.administer.clients import ClientChanges
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ClientId
from tests.refreshing import a_refresh_token, a_refreshing_world, is_refused, refresh, refreshed
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, basic, code_form

PAYCHECK: dict[str, Any] = {
    "client_id": "paycheck",
    "audience": TIMESHEETS,
    "scope": "openid read:timesheets",
}


async def recreate(world: World) -> None:
    """As an administrator does it: everybody lets go of it, it is deleted, and there is a new one."""
    world.clock.advance(seconds=10)
    store = world.services.store
    api = await apis.find(world.services, TIMESHEETS)
    before = {client.client_id: client.api_grants for client in await store.clients.list()}
    kept: dict[ClientId, tuple[ApiGrant, ...]] = {}
    for client_id, grants in before.items():
        if any(grant.api == TIMESHEETS for grant in grants):
            kept[client_id] = grants
            rest = tuple(grant for grant in grants if grant.api != TIMESHEETS)
            await clients.change(world.services, client_id, ClientChanges(api_grants=rest))
    await store.apis.delete(TIMESHEETS, events=())
    await apis.create(world.services, replace(api, revision=1))
    for client_id, grants in kept.items():
        await clients.change(world.services, client_id, ClientChanges(api_grants=grants))
    await world.services.registry.refresh()
    world.clock.advance(seconds=10)


async def test_a_consent_for_a_deleted_api_is_asked_for_again() -> None:
    world = await a_refreshing_world()
    visitor = Visitor(world)
    await visitor.authorize(**PAYCHECK)
    await visitor.sign_in()
    await visitor.submit("consent-allow")
    await visitor.authorize(**PAYCHECK, prompt="none")
    assert "code" in visitor.answer()
    await recreate(world)
    await visitor.authorize(**PAYCHECK, prompt="none")
    assert visitor.answer()["error"] == "consent_required"


async def test_a_refresh_token_for_a_deleted_api_is_none_for_the_next() -> None:
    world = await a_refreshing_world()
    token = str((await refreshed(world, await a_refresh_token(world)))["refresh_token"])
    await recreate(world)
    is_refused(await refresh(world, token))
    await refreshed(world, await a_refresh_token(world))


async def test_a_code_for_a_deleted_api_is_none_for_the_next() -> None:
    world = await a_refreshing_world()
    code = await Visitor(world).code(audience=TIMESHEETS, scope="openid read:timesheets")
    await recreate(world)
    answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert answer.json()["error"] == "invalid_grant"
