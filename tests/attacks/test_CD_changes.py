"""CD-08: person, app or consent end before, while and after a code is redeemed; afterwards nothing works."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from innkeeper.server.model.identifiers import HandleKey
from innkeeper.server.storage.interface import Codes
from innkeeper.server.storage.outcomes import CodeAndGrant
from tests.attacks.oracles import is_json_error, is_sound
from tests.attacks.token_requests import ENDINGS, FOR_API, FOR_USERINFO, redeem, tables, tokens, userinfo
from tests.visitor import Visitor
from tests.world import World, a_world

pytestmark = pytest.mark.anyio
BOTH_KINDS = pytest.mark.parametrize("kind", [FOR_USERINFO, FOR_API], ids=["opaque", "jwt"])


@pytest.fixture
async def world() -> World:
    return await a_world()


class ChangesAfterReading:
    """The codes of a store; once, between the read and the transition, something happens."""

    def __init__(self, codes: Codes, happen: Callable[[], Awaitable[None]]) -> None:
        self._codes = codes
        self._happen: Callable[[], Awaitable[None]] | None = happen

    async def read(self, key: HandleKey) -> CodeAndGrant | None:
        found = await self._codes.read(key)
        if self._happen is not None:
            happen, self._happen = self._happen, None
            await happen()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codes, name)


@BOTH_KINDS
@pytest.mark.parametrize("end", ENDINGS)
async def test_CD_08_after_the_change_the_code_is_worth_nothing(
    world: World, end: Callable[[World], Awaitable[None]], kind: dict[str, Any]
) -> None:
    code = await Visitor(world).code(**kind)
    await end(world)
    answer = await redeem(world, code)
    is_sound(answer)
    assert answer.status_code in (400, 401)
    assert not tables(world).access_tokens


@BOTH_KINDS
@pytest.mark.parametrize("end", ENDINGS)
async def test_CD_08_a_change_between_reading_and_redeeming_is_noticed(
    world: World, end: Callable[[World], Awaitable[None]], kind: dict[str, Any]
) -> None:
    code = await Visitor(world).code(**kind)
    store: Any = world.services.store
    store.codes = ChangesAfterReading(store.codes, lambda: end(world))
    answer = await redeem(world, code)
    is_sound(answer)
    assert answer.status_code in (400, 401)
    assert not tables(world).access_tokens


@BOTH_KINDS
@pytest.mark.parametrize("end", ENDINGS)
async def test_CD_08_after_the_change_the_token_is_worth_nothing(
    world: World, end: Callable[[World], Awaitable[None]], kind: dict[str, Any]
) -> None:
    token = (await tokens(world, **kind))["access_token"]
    await end(world)
    is_json_error(await userinfo(world, token), 401, "invalid_token")


async def test_CD_08_an_app_that_loses_the_grant_type_meanwhile_gets_nothing(world: World) -> None:
    code = await Visitor(world).code()
    store: Any = world.services.store

    async def lose() -> None:
        client = await store.clients.get("web")
        await store.clients.replace(msgspec.structs.replace(client, grant_types=()), events=())

    store.codes = ChangesAfterReading(store.codes, lose)
    is_json_error(await redeem(world, code), 400, "unauthorized_client")
    assert not tables(world).access_tokens
