"""Rotations that go together: every law of refresh tokens holds, and many share one statement."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from innkeeper.server.storage.outcomes import Overlapped, Rotated, Stale, StoreUnavailable
from innkeeper.server.storage.postgresql import PostgresStore, open_store
from innkeeper.server.storage.postgresql.statements import Statements
from tests.contract.store import families
from tests.contract.store.builders import NOW, AnyStore, World, a_token, opaque
from tests.contract.store.conftest import a_database
from tests.contract.store.rivals import Rivals
from tests.contract.store.test_refresh_families import LAWS, Law


@pytest.fixture
async def nodes(request: pytest.FixtureRequest) -> AsyncIterator[list[PostgresStore]]:
    """Two, which both send batches."""
    dsn = await a_database(request)
    nodes = [await open_store(dsn, batching=True, judges_by_caller=True) for _ in range(2)]
    yield nodes
    for node in nodes:
        await node.close()


@pytest.fixture
async def world(nodes: list[PostgresStore]) -> World:
    return await World(nodes[0]).build()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_every_law_holds(law: Law, world: World) -> None:
    await law(world)


async def test_a_hundred_families_are_rotated_by_one_statement(
    world: World, nodes: list[PostgresStore]
) -> None:
    many = [await families.begun(world) for _ in range(100)]
    before = nodes[0].counters.statements
    told = await asyncio.gather(*(families.rotate(world, family) for family in many))
    assert told == [Rotated(generation=1)] * 100
    assert nodes[0].counters.statements - before == 1
    assert await world.audit("refresh.rotated") == 100


async def test_in_one_batch_each_is_judged_by_its_own_condition(world: World) -> None:
    good, stale, old, twice = [await families.begun(world) for _ in range(4)]
    assert await families.rotate(world, old) == Rotated(generation=1)
    assert await families.rotate(world, old, 1) == Rotated(generation=2)
    token = a_token((await world.issued())[1])
    told = await asyncio.gather(
        families.rotate(world, good, access_token=token),
        families.rotate(world, stale, epochs=replace(world.epochs, user_epoch=7)),
        families.rotate(world, old),
        families.rotate(world, twice),
        families.rotate(world, twice),
    )
    assert told[0] == Rotated(generation=1)
    assert told[1] == Stale()
    assert type(told[2]).__name__ == "Reused"
    assert Counter(type(outcome) for outcome in told[3:]) == Counter([Rotated, Overlapped])
    assert await opaque(world, token) is not None
    assert await world.is_revoked(old.grant_id)
    assert not await world.is_revoked(good.grant_id)


async def test_two_nodes_that_send_batches_have_one_winner_each(
    world: World, nodes: list[PostgresStore]
) -> None:
    rivals = Rivals(world=world, stores=list(nodes))
    many = [await families.begun(world) for _ in range(10)]

    async def rotate(store: AnyStore, number: int) -> Any:
        return await families.rotate(world, many[number // 2 % 10], store=store)

    assert await rivals.tally(rotate, 40) == Counter(Rotated=10, Overlapped=30)
    assert await world.audit("refresh.rotated") == 10


async def test_a_batch_whose_answer_was_lost_is_told_again(world: World) -> None:
    many = [await families.begun(world) for _ in range(20)]
    world.store.lose_next_answer()
    told = await asyncio.gather(*(families.rotate(world, family) for family in many))
    assert told == [Rotated(generation=1)] * 20
    assert await world.audit("refresh.rotated") == 20
    assert [(await families.row(world, family)).overlaps for family in many] == [0] * 20


async def test_a_batch_without_a_database_is_unavailable_for_all(
    world: World, nodes: list[PostgresStore]
) -> None:
    family = await families.begun(world)
    await nodes[1].close()
    rotations = [families.rotate(world, family, store=nodes[1]) for _ in range(3)]
    told = await asyncio.gather(*rotations, return_exceptions=True)
    assert [type(error) for error in told] == [StoreUnavailable] * 3
    assert await families.rotate(world, family, now=NOW) == Rotated(generation=1)


async def test_a_row_that_somebody_holds_keeps_no_other_rotation_from_its_answer(
    world: World, nodes: list[PostgresStore]
) -> None:
    """F15: an administrator's own transaction stands on one family, and the batch waits for it."""
    held, *free = [await families.begun(world) for _ in range(4)]
    holding = await asyncpg.connect(nodes[0]._pool._url)
    await holding.execute("BEGIN")
    await holding.execute("SELECT 1 FROM refresh_families WHERE family_key = $1 FOR UPDATE", held.key)
    told = await asyncio.gather(
        *(families.rotate(world, family) for family in (held, *free)), return_exceptions=True
    )
    assert type(told[0]) is StoreUnavailable
    assert told[1:] == [Rotated(generation=1)] * 3
    await holding.execute("ROLLBACK")
    await holding.close()
    assert await families.rotate(world, held) == Rotated(generation=1)
    assert await world.audit("refresh.rotated") == 4


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError])
async def test_a_batch_that_met_somebody_is_done_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    many = [await families.begun(world) for _ in range(5)]
    tried: list[None] = []

    async def meet(*_: object) -> Any:
        tried.append(None)
        raise error("met")

    monkeypatch.setattr(Statements, "batch", meet)
    told = await asyncio.gather(*(families.rotate(world, family) for family in many))
    assert told == [Rotated(generation=1)] * 5
    assert len(tried) == 1
    assert await world.audit("refresh.rotated") == 5


async def test_a_batch_whose_first_try_was_lost_is_not_left_in_doubt_by_its_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lost one may be the one that holds the rows: it is asked for again until somebody knows."""
    many = [await families.begun(world) for _ in range(3)]
    send, tried = Statements.batch, 0

    async def meet_once(self: Statements, sql: str, arrays: Any) -> Any:
        nonlocal tried
        tried += 1
        if self.is_retry and tried == 2:
            raise asyncpg.LockNotAvailableError("met")
        return await send(self, sql, arrays)

    monkeypatch.setattr(Statements, "batch", meet_once)
    world.store.lose_next_answer()
    told = await asyncio.gather(*(families.rotate(world, family) for family in many))
    assert told == [Rotated(generation=1)] * 3
    assert tried == 3
    assert await world.audit("refresh.rotated") == 3
