"""Attack cases JW at `id_token_hint`: only an ID token of ours, for this very app, says whom it means."""

from __future__ import annotations

import pytest

from innkeeper.server.flows.id_tokens import hinted
from innkeeper.server.model.identifiers import ClientId
from tests.attacks.hints import BAD_HINTS, a_hint, bad_hints
from tests.visitor import Visitor
from tests.world import World, a_world

pytestmark = pytest.mark.anyio
WEB = ClientId("web")


@pytest.fixture
async def world() -> World:
    return await a_world()


async def test_JW_00_the_control_hint_is_understood(world: World) -> None:
    hint = hinted(await a_hint(world, Visitor(world)), WEB, world.services)
    assert hint is not None and (hint.subject, hint.client_id) == ("ik|erin", "web")


@pytest.mark.parametrize("name", BAD_HINTS)
async def test_JW_no_other_text_is_a_hint(world: World, name: str) -> None:
    bad = bad_hints(world, await a_hint(world, Visitor(world)))[name]
    assert hinted(bad, WEB, world.services) is None


async def test_JW_11_an_expired_hint_still_says_who_was_meant(world: World) -> None:
    text = await a_hint(world, Visitor(world))
    world.clock.advance(days=20)
    hint = hinted(text, WEB, world.services)
    assert hint is not None and hint.subject == "ik|erin" and hint.sid is not None


async def test_JW_19_a_hint_whose_key_has_left_the_key_set_is_none(world: World) -> None:
    text = await a_hint(world, Visitor(world))
    keys = await world.services.store.signing_keys.list()
    kept = tuple(key for key in keys if key.alg != "RS256")
    await world.services.store.signing_keys.put(kept, expected=keys, events=())
    await world.services.registry.refresh()
    world.services.keys.take(world.services.registry.snapshot)
    assert hinted(text, WEB, world.services) is None


async def test_JW_13_without_an_app_the_one_audience_says_whose_it_is(world: World) -> None:
    text = await a_hint(world, Visitor(world))
    found = hinted(text, None, world.services)
    assert found is not None and found.client_id == "web"
    assert hinted(bad_hints(world, text)["JW-13 an app among others"], None, world.services) is None
    assert hinted(bad_hints(world, text)["JW-13 no audience"], None, world.services) is None
