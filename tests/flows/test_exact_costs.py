"""What the hot requests cost a store on disk, counted exactly: reads, transitions, commits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.storage.sqlite import open_store
from tests.refreshing import a_refresh_token, may_refresh, refreshed, signed_in
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_world, basic, code_form

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    store = open_store(tmp_path / "innkeeper.sqlite")
    try:
        world = await a_world(store=store)
        await may_refresh(world, "web")
        yield world
    finally:
        await store.close()


class Costs:
    """Reads, transitions and commits since it was made."""

    def __init__(self, world: World) -> None:
        self._counters = world.services.store.counters  # type: ignore[attr-defined]
        self._before = self._now()

    def _now(self) -> tuple[int, int, int]:
        return self._counters.reads, self._counters.transitions, self._counters.commits

    @property
    def so_far(self) -> tuple[int, ...]:
        return tuple(now - before for now, before in zip(self._now(), self._before, strict=True))


async def test_a_rotation_is_one_read_one_transition_and_one_commit(world: World) -> None:
    token = await a_refresh_token(world)
    costs = Costs(world)
    answer = await refreshed(world, token)
    assert costs.so_far == (1, 1, 1)
    assert answer["refresh_token"] != token


async def test_a_code_exchange_is_one_read_one_transition_and_one_commit(world: World) -> None:
    code = await Visitor(world).code("erin", audience=TIMESHEETS, scope="openid read:timesheets")
    costs = Costs(world)
    answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert answer.status_code == 200
    assert costs.so_far == (1, 1, 1)


@pytest.mark.parametrize("form", ["opaque", "jwt", "refresh"])
async def test_an_introspection_is_one_read_and_no_transition(world: World, form: str) -> None:
    where: dict[str, Any] = {"audience": None, "scope": "openid offline_access"} if form == "opaque" else {}
    tokens = await signed_in(world, **where)
    token = tokens["refresh_token" if form == "refresh" else "access_token"]
    costs = Costs(world)
    answer = await world.http().post("/oauth/introspect", data={"token": token}, headers=basic("web"))
    assert answer.json()["active"] is True
    assert costs.so_far == (1, 0, 0)


async def test_client_credentials_for_a_jwt_cost_nothing(world: World) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    for number in range(2):
        costs = Costs(world)
        answer = await world.http().post("/oauth/token", data=form, headers=basic("cron"))
        assert answer.status_code == 200
        assert number == 0 or costs.so_far == (0, 0, 0)


async def test_client_credentials_for_an_opaque_token_are_one_transition(world: World) -> None:
    api = await world.services.store.apis.get(TIMESHEETS)
    assert api is not None
    await world.services.store.apis.replace(replace(api, token_format="opaque"), events=())
    await world.services.registry.refresh()
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    await world.http().post("/oauth/token", data=form, headers=basic("cron"))
    costs = Costs(world)
    answer = await world.http().post("/oauth/token", data=form, headers=basic("cron"))
    assert answer.json()["access_token"].startswith("ik_at_")
    assert costs.so_far == (0, 1, 1)
