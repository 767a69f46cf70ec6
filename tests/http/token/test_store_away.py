"""The store being away is told to browsers too, in an answer that their scripts may read (R-EP6)."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.world import SPA_CALLBACK, SPA_ORIGIN, World, a_world, code_form

CODE = "ik_ac_" + "A" * 54


async def asked(world: World) -> Any:
    form = code_form(CODE, client_id="spa", redirect_uri=SPA_CALLBACK)
    return await world.http().post("/oauth/token", data=form, headers={"origin": SPA_ORIGIN})


async def away(*_: object, **__: object) -> Any:
    raise StoreUnavailable("away")


async def test_a_script_can_read_that_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_world()
    assert (await asked(world)).status_code == 400
    monkeypatch.setattr(world.services.store.codes, "read", away)
    answer = await asked(world)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["access-control-allow-origin"] == SPA_ORIGIN
    assert int(answer.headers["retry-after"]) > 0


async def test_without_the_store_no_origin_is_allowed_that_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await a_world()
    monkeypatch.setattr(world.services.store.clients, "get", away)
    answer = await asked(world)
    assert answer.status_code == 503
    assert "access-control-allow-origin" not in answer.headers
