"""The connection to PostgreSQL is cut around a COMMIT, for real: what was asked for happens once, and is told once.

`before`: the connection was stale, and nothing has happened. `after`: it has happened, and its answer is cut off.
`during`: it is on its way, and may still be under way when the store tries again. Either way the store finds out by the
attempt, and nobody above it notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import pytest

from innkeeper.server.storage.outcomes import Claimed, Done, Gone, Redeemed, Replayed, Rotated, Waiting
from innkeeper.server.storage.postgresql import PostgresStore, open_store
from tests.contract.store import devices, families, laws
from tests.contract.store.builders import NOW, World, a_token, an_attempt
from tests.contract.store.conftest import a_database
from tests.contract.store.cutting import Cutter, Where, a_cutting_wire
from tests.contract.store.test_lost_answers import TRANSITIONS, Transition

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["before", "after", "during"])
def where(request: pytest.FixtureRequest) -> Where:
    found: Where = request.param
    return found


@pytest.fixture
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Cutter, PostgresStore]]:
    """A store behind a wire that can be cut, and whoever cuts it."""
    async with a_cutting_wire(await a_database(request)) as (cutter, dsn):
        store = await open_store(dsn, judges_by_caller=True)
        yield cutter, store
        await store.close()


@pytest.fixture
async def world(
    wire: tuple[Cutter, PostgresStore], where: Where, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """To lose an answer is to have the connection cut, in every test that says so."""
    cutter, store = wire
    monkeypatch.setattr(store, "lose_next_answer", partial(cutter.cut_next, where))
    yield await World(store).build()
    assert cutter.cuts > 0, "nothing was cut"


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS.keys())
async def test_a_cut_changes_neither_the_outcome_nor_the_audit_of(
    transition: Transition, world: World
) -> None:
    world.store.lose_next_answer()
    assert await transition(world) == Done()
    assert await world.audit("record.changed") == 1


LAWS: tuple[Callable[[World], Awaitable[None]], ...] = (
    laws.an_attempt_that_won_is_told_so_again,
    laws.an_issue_that_won_is_told_so_again,
    laws.a_burning_that_won_is_told_so_again,
    laws.a_claim_that_won_is_told_so_again,
    families.a_rotation_that_won_is_told_so_again,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_a_cut_convicts_nobody(law: Callable[[World], Awaitable[None]], world: World) -> None:
    await law(world)


async def test_a_device_gets_its_tokens_in_spite_of_every_cut(world: World) -> None:
    def cut() -> None:
        world.store.lose_next_answer()

    device = devices.a_device()
    cut()
    assert await devices.start(world, device) == Done()
    cut()
    assert await devices.poll(world, device) == Waiting()
    cut()
    assert await world.store.device_codes.claim(device.key, browser=devices.PHONE, now=NOW) == Done()
    _, grant = world.authorization()
    cut()
    assert await devices.approve(world, device, grant) == Done()
    cut()
    assert await devices.redeem(world, device, access_token=a_token(grant)) == Redeemed()
    assert await devices.redeem(world, device) == Gone()
    assert await world.audit("device.approved") == await world.audit("device.redeemed") == 1


async def test_rivals_whose_connections_are_cut_have_one_winner_between_them(world: World) -> None:
    """A try whose fate is unknown meets its own retry and nineteen others."""
    for _ in range(5):
        code, grant = await world.issued()
        world.store.lose_next_answer()
        redemptions = [world.redeem(code, access_token=a_token(grant)) for _ in range(20)]
        told = await asyncio.gather(*redemptions)
        assert told.count(Redeemed()) == 1 and told.count(Replayed()) == 19
        assert await world.is_revoked(grant.grant_id)
    assert await world.audit("code.redeemed") == await world.audit("code.replayed") == 5


async def test_rivals_for_one_refresh_token_leave_one_living_one(world: World) -> None:
    for _ in range(5):
        family = await families.begun(world)
        world.store.lose_next_answer()
        told = await asyncio.gather(*(families.rotate(world, family) for _ in range(20)))
        assert told.count(Rotated(generation=1)) == 1, told
        assert (await families.row(world, family)).generation == 1
    assert await world.audit("refresh.rotated") == 5


async def test_an_assertion_is_claimed_once_whatever_is_cut(world: World) -> None:
    for number in range(5):
        world.store.lose_next_answer()
        digest = bytes([number]) * 32
        claims: list[Awaitable[Any]] = [
            world.store.assertion_ids.claim(digest, expires_at=NOW, attempt=an_attempt()) for _ in range(20)
        ]
        assert (await asyncio.gather(*claims)).count(Claimed()) == 1


async def test_a_connection_that_is_dropped_between_two_steps_of_the_library_is_a_lost_one(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is over after a statement was prepared and before it is run: no error of ours, and it is tried again."""
    store = await open_store(await a_database(request), judges_by_caller=True)
    world = await World(store).build()
    code, _ = await world.issued()
    prepare = asyncpg.Connection._get_statement  # type: ignore[attr-defined]
    dropped: list[object] = []

    async def prepare_and_drop(connection: Any, *arguments: Any, **options: Any) -> Any:
        statement = await prepare(connection, *arguments, **options)
        if len(dropped) < 2:
            dropped.append(connection)
            connection.terminate()
        return statement

    monkeypatch.setattr(asyncpg.Connection, "_get_statement", prepare_and_drop)
    assert await world.redeem(code) == Redeemed()
    assert len(dropped) == 2
    dropped.clear()
    dropped.append(None)
    assert await store.codes.read(code.key) is not None
    assert len(dropped) == 2
    await store.close()
