"""An app that is made again under the name of one that is gone: nothing that machine was given lives again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.clients import ClientChanges, NewClient
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ClientId
from tests.attacks.token_requests import tables
from tests.world import TIMESHEETS, World, a_world, basic

pytestmark = pytest.mark.anyio
WORKER = ClientId("worker")
MAY_READ = (ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),)


async def made(world: World) -> str:
    """Its secret."""
    wanted = NewClient(client_id=WORKER, type="m2m", api_grants=MAY_READ)
    _, secret = await clients.create(world.services, wanted)
    assert secret is not None
    return secret


async def token(world: World, secret: str) -> str:
    await world.services.registry.refresh()
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    answer = await world.http().post("/oauth/token", data=form, headers=basic(WORKER, secret))
    found: str = answer.json()["access_token"]
    return found


async def is_live(world: World, text: str) -> bool:
    return (await access_tokens.presented(text, world.services, world.clock.now())).is_live


async def test_one_that_a_restored_backup_never_knew() -> None:
    world = await a_world()
    before = await token(world, await made(world))
    assert await is_live(world, before)
    del tables(world).clients[WORKER]  # and no tombstone: this database has never seen it
    tables(world).tokens_not_before.pop(WORKER, None)
    world.clock.advance(seconds=3)
    secret = await made(world)
    assert (await clients.find(world.services, WORKER)).epoch == 1
    assert not await is_live(world, before)
    assert await is_live(world, await token(world, secret))


async def test_one_that_was_deleted() -> None:
    world = await a_world()
    before = await token(world, await made(world))
    await clients.delete(world.services, WORKER)
    # Within the same second: its epoch says so.
    secret = await made(world)
    assert not await is_live(world, before)
    assert await is_live(world, await token(world, secret))


async def test_one_that_was_deleted_after_a_backup_without_its_last_epoch_was_restored() -> None:
    world = await a_world()
    secret = await made(world)
    backed_up = tables(world).clients[WORKER]
    for is_enabled in (False, True):
        await clients.change(world.services, WORKER, ClientChanges(is_enabled=is_enabled))
    before = await token(world, secret)
    assert await is_live(world, before)
    tables(world).clients[WORKER] = replace(backed_up, revision=9)
    await clients.delete(world.services, WORKER)
    world.clock.advance(seconds=3)
    secret = await made(world)
    assert (await clients.find(world.services, WORKER)).epoch == backed_up.epoch + 1
    assert not await is_live(world, before)
    assert await is_live(world, await token(world, secret))


async def test_an_app_gets_tokens_from_a_node_whose_clock_is_a_second_behind_its_maker() -> None:
    world = await a_world()
    world.clock.advance(milliseconds=1001)
    secret = await made(world)
    world.clock.advance(milliseconds=-1000)
    assert await is_live(world, await token(world, secret))
