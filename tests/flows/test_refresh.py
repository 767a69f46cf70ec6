"""Refreshing as a flow: exact costs, lost answers, lifetimes by the clock, what a renewed ID token says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.jose import base64url
from innkeeper.server import app
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.secret import Secret
from tests.refreshing import (
    a_refresh_token,
    a_refreshing_world,
    is_refused,
    may_refresh,
    refresh,
    refreshed,
    revoke,
    signed_in,
)
from tests.world import TIMESHEETS, World, basic

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_refreshing_world()


async def costs(world: World, work: Callable[[], Awaitable[Any]]) -> tuple[int, int]:
    """Reads and transitions."""
    counters = world.services.store.counters  # type: ignore[attr-defined]
    reads, transitions = counters.reads, counters.transitions
    await work()
    return counters.reads - reads, counters.transitions - transitions


async def test_a_rotation_costs_one_read_and_one_transition(world: World) -> None:
    await may_refresh(world, "web")
    token = await a_refresh_token(world)
    await refreshed(world, token)  # the app is in the cache
    assert await costs(world, lambda: refresh(world, token)) == (1, 1)


async def test_a_revocation_costs_one_read_and_one_transition(world: World) -> None:
    await may_refresh(world, "web")
    token = await a_refresh_token(world)
    assert await costs(world, lambda: revoke(world, token)) == (1, 1)
    assert await costs(world, lambda: revoke(world, "ik_rt_unknown")) == (0, 0)


async def test_a_lost_answer_of_a_rotation_signs_nobody_out(world: World) -> None:
    await may_refresh(world, "web")
    token = await a_refresh_token(world)
    world.services.store.lose_next_answer()  # type: ignore[attr-defined]
    successor = (await refreshed(world, token))["refresh_token"]
    assert (await refreshed(world, token))["refresh_token"] == successor
    await refreshed(world, successor)


async def test_a_refreshed_id_token_tells_the_first_sign_in_and_no_nonce(world: World) -> None:
    """OIDC Core §12.2."""
    await may_refresh(world, "web")
    first = await signed_in(world)
    world.clock.advance(hours=1)
    second = await refreshed(world, first["refresh_token"])
    before, after = payload(first["id_token"]), payload(second["id_token"])
    assert {name: before[name] for name in ("iss", "sub", "aud", "auth_time", "sid")} == {
        name: after[name] for name in ("iss", "sub", "aud", "auth_time", "sid")
    }
    assert "nonce" in before and "nonce" not in after
    assert after["iat"] == before["iat"] + 3600
    assert before["at_hash"] != after["at_hash"]


async def test_without_rotation_the_app_keeps_its_token(world: World) -> None:
    await may_refresh(world, "web", rotation=False)
    token = await a_refresh_token(world)
    for _ in range(3):
        assert "refresh_token" not in await refreshed(world, token)
    await may_refresh(world, "web")
    successor = (await refreshed(world, token))["refresh_token"]
    world.clock.advance(seconds=10)
    is_refused(await refresh(world, token))
    is_refused(await refresh(world, successor))


async def test_lifetimes_end_at_their_instant_and_use_prolongs_only_the_idle_one(world: World) -> None:
    day = timedelta(days=1)
    await may_refresh(world, "web", idle=day, absolute=2 * day)
    token = await a_refresh_token(world)
    for hours in (23, 23):
        world.clock.advance(hours=hours)
        token = (await refreshed(world, token))["refresh_token"]
    world.clock.advance(hours=2)
    is_refused(await refresh(world, token))
    idle = await a_refresh_token(world)
    world.clock.advance(days=1)
    is_refused(await refresh(world, idle))


async def test_an_access_token_lives_as_long_as_it_was_told_also_at_the_end_of_its_family(
    world: World,
) -> None:
    """Its grant goes with the family, and a token without a grant is dead: so it is not told more than is left."""
    day = timedelta(days=1)
    await may_refresh(world, "web", idle=day, absolute=day)
    api = await world.services.store.apis.get(TIMESHEETS)
    assert api is not None
    await world.services.store.apis.replace(replace(api, access_token_lifetime=day / 4), events=())
    await world.services.registry.refresh()
    token = await a_refresh_token(world)
    world.clock.advance(hours=21)
    answered = await refreshed(world, token)
    assert answered["expires_in"] == 3 * 3600
    world.clock.advance(hours=2, minutes=59)
    await world.services.store.purge(now=world.clock.now(), limit=1000)
    assert await is_active(world, answered["access_token"])
    world.clock.advance(minutes=2)
    assert not await is_active(world, answered["access_token"])


async def is_active(world: World, token: str) -> bool:
    answer = await world.http().post("/oauth/introspect", data={"token": token}, headers=basic("web"))
    return bool(answer.json()["active"])


async def under(world: World, *key_ids: int) -> None:
    """The server starts again with this ring of master keys."""
    master = MasterSecret(
        ring=tuple(MasterKey(key_id=n, value=Secret(bytes([ord("l") + n]) * 32)) for n in key_ids)
    )
    services = world.services
    world.services = dataclasses.replace(
        services, seals=Seals(master, services.settings.issuer, services.entropy.random)
    )
    world.asgi = app.create_app(world.services)


async def test_refresh_tokens_live_on_under_another_master_key_while_the_old_one_is_kept(
    world: World,
) -> None:
    token = await a_refresh_token(world)
    await under(world, 2, 1)
    successor = (await refreshed(world, token))["refresh_token"]
    await under(world, 1)
    assert (await refreshed(world, token))["refresh_token"] == successor
    await under(world, 2)
    is_refused(await refresh(world, successor))


def payload(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return decoded
