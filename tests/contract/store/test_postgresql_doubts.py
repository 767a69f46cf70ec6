"""What PostgreSQL leaves in doubt, who waits for it, and whose clock says how long ago something was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from innkeeper.server.storage.outcomes import (
    Done,
    Gone,
    InDoubt,
    Overlapped,
    Reused,
    Rotated,
    StoreUnavailable,
)
from innkeeper.server.storage.postgresql import PostgresStore, open_store, transitions, troubles
from tests.contract.store.builders import HOUR, NOW, World, a_token, an_attempt, opaque
from tests.contract.store.conftest import a_database
from tests.contract.store.cutting import a_cutting_wire
from tests.contract.store.families import OVERLAP, begun, rotate, row, untold

pytestmark = pytest.mark.anyio
EVERYBODY_ELSE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def dsn(request: pytest.FixtureRequest) -> str:
    return await a_database(request)


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[PostgresStore]:
    """Judges by the clocks that count."""
    store = await open_store(dsn)
    yield store
    await store.close()


@pytest.fixture
async def world(store: PostgresStore) -> World:
    return await World(store).build()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def waiting(connection: asyncpg.Connection[Any]) -> None:
    """Until somebody waits for a row that this connection holds."""
    async with asyncio.timeout(30):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


# ------------------------------------------------------------ doubt


async def test_who_gives_up_after_a_lost_answer_is_in_doubt(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "_LOST_TRIES", 1)
    async with a_cutting_wire(dsn) as (cutter, through):
        store = await open_store(through, judges_by_caller=True)
        world = await World(store).build()
        family, lost = await begun(world), an_attempt()
        cutter.cut_next("after")
        with pytest.raises(InDoubt):
            await rotate(world, family, attempt=lost)
        assert (await row(world, family)).rotated_by == lost
        assert await untold(world, family, lost) == Done()
        assert await rotate(world, family, now=NOW + HOUR) == Overlapped(generation=1)
        await store.close()


async def test_who_was_not_even_connected_is_not_in_doubt(store: PostgresStore, world: World) -> None:
    family = await begun(world)
    await store.close()
    with pytest.raises(StoreUnavailable) as refused:
        await rotate(world, family)
    assert not isinstance(refused.value, InDoubt)


async def test_a_doubt_waits_for_the_rotation_that_it_is_about(dsn: str, world: World) -> None:
    family, lost = await begun(world), an_attempt()
    async with connected(dsn) as other:
        held = other.transaction()
        await held.start()
        moved = "UPDATE refresh_families SET generation = 1, rotated_by = $1, rotated_at = $2 WHERE family_key = $3"
        await other.execute(moved, lost, int(NOW.timestamp() * 1e6), family.key)
        settling = asyncio.create_task(untold(world, family, lost))
        await waiting(other)
        await held.commit()
        assert await settling == Done()
    assert await rotate(world, family, now=NOW) == Overlapped(generation=1)


# ------------------------------------------------------------ nodes that know less


async def test_after_trouble_nobody_is_convicted_of_the_generation_before(
    store: PostgresStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    families = [await begun(world) for _ in range(3)]
    for family in families:
        for presented in (0, 1):
            assert await rotate(world, family, presented) == Rotated(generation=presented + 1)
    before, older, ahead = families
    store._transitions.troubles.note()
    with pytest.raises(StoreUnavailable):
        await rotate(world, before, 1, overlap=timedelta())
    assert not await world.is_revoked(before.grant_id)
    assert await rotate(world, older, 0) == Reused()
    assert await rotate(world, ahead, 3) == Reused(is_ahead=True)
    assert await rotate(world, before, 2) == Rotated(generation=3)
    monkeypatch.setattr(troubles, "RECENT_S", 0.0)
    assert await rotate(world, before, 2, overlap=timedelta()) == Reused()


async def test_a_row_that_is_held_and_a_lost_connection_are_trouble(dsn: str, store: PostgresStore) -> None:
    world = await World(store).build()
    family, seen = await begun(world), store._transitions.troubles
    assert seen._last_s is None
    async with connected(dsn) as other:
        async with other.transaction():
            await other.execute("SELECT 1 FROM refresh_families WHERE family_key = $1 FOR UPDATE", family.key)
            rotating = asyncio.create_task(rotate(world, family))
            async with asyncio.timeout(30):
                while not seen.are_recent:
                    await asyncio.sleep(0.05)
        assert await rotating == Rotated(generation=1)
        await other.execute(EVERYBODY_ELSE)
        calm = store._transitions.troubles = troubles.Troubles()
        assert await rotate(world, family, 1) == Rotated(generation=2)
    assert calm.are_recent


async def test_collisions_are_no_trouble(store: PostgresStore, world: World) -> None:
    family = await begun(world)
    await asyncio.gather(*(rotate(world, family) for _ in range(20)))
    assert not store._transitions.troubles.are_recent


async def test_who_waited_for_a_rotation_that_began_long_ago_overlaps(dsn: str, world: World) -> None:
    """At a node that knows of no trouble: what it read was the living generation."""
    family, long_ago = await begun(world), datetime.now(UTC) - HOUR
    async with connected(dsn) as other:
        held = other.transaction()
        await held.start()
        moved = "UPDATE refresh_families SET generation = 1, rotated_by = $1, rotated_at = $2 WHERE family_key = $3"
        await other.execute(moved, an_attempt(), int(long_ago.timestamp() * 1e6), family.key)
        asking = asyncio.create_task(rotate(world, family, now=datetime.now(UTC), was_living=True))
        await waiting(other)
        await held.commit()
        assert await asking == Overlapped(generation=1)
    assert not await world.is_revoked(family.grant_id)
    assert await rotate(world, family) == Overlapped(generation=1)


# ------------------------------------------------------------ clocks


async def move_rotation(dsn: str, by: timedelta) -> None:
    """As if the database's clock had gone the other way since."""
    async with connected(dsn) as other:
        await other.execute(
            "UPDATE refresh_families SET rotated_at = rotated_at + $1", by // timedelta(microseconds=1)
        )


async def test_a_database_that_goes_back_leaves_no_overlap_open(dsn: str, world: World) -> None:
    """The node's clock has not gone back, and so it is an hour ahead of the database's (F17)."""
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    await move_rotation(dsn, HOUR)
    ahead = datetime.now(UTC) + HOUR
    assert await rotate(world, family, now=ahead + OVERLAP / 2) == Overlapped(generation=1)
    assert await rotate(world, family, now=ahead + OVERLAP * 1.2) == Reused()


async def test_a_rotation_is_dated_by_the_clock_that_does_not_go_back(world: World) -> None:
    ahead = datetime.now(UTC) + HOUR
    family = await begun(world)
    assert await rotate(world, family, now=ahead) == Rotated(generation=1)
    dated = (await row(world, family)).rotated_at
    assert dated is not None and abs(dated - ahead) <= timedelta(seconds=1)
    assert await rotate(world, family, now=ahead + OVERLAP / 2) == Overlapped(generation=1)
    assert await rotate(world, family, now=ahead + OVERLAP * 1.2) == Reused()


@pytest.mark.parametrize("apart_s", [-0.9, -0.3, 0.3, 0.9])
async def test_nodes_that_agree_as_far_as_they_must_judge_by_the_database(
    world: World, apart_s: float
) -> None:
    """No overlap is shorter by what the nodes differ, and where there is none there is none."""
    family, overlap = await begun(world), timedelta(seconds=1)
    before = datetime.now(UTC)
    apart = timedelta(seconds=apart_s)
    assert await rotate(world, family, now=before - apart) == Rotated(generation=1)
    dated = (await row(world, family)).rotated_at
    assert dated is not None and before <= dated <= datetime.now(UTC)
    # As long as it is open by the database's clock, and the margin is the nodes' disagreement.
    while datetime.now(UTC) - dated < overlap * 0.8:
        outcome = await rotate(world, family, now=datetime.now(UTC) + apart, overlap=overlap)
        if datetime.now(UTC) - dated < overlap:
            assert outcome == Overlapped(generation=1)
        await asyncio.sleep(0.1)
    strict = await begun(world)
    none = timedelta()
    assert await rotate(world, strict, now=datetime.now(UTC), overlap=none) == Rotated(generation=1)
    assert await rotate(world, strict, now=datetime.now(UTC) + apart, overlap=none) == Reused()


# ------------------------------------------------------------ revocation meets rotation


async def test_a_rotation_that_waited_while_its_grant_was_revoked_gives_nothing_that_lives(
    dsn: str, world: World
) -> None:
    """It may be answered all the same. The opaque access token is inactive, and the successor is refused."""
    family = await begun(world)
    found = await world.store.refresh_families.read(family.key)
    assert found is not None
    token = a_token(found.grant)
    async with connected(dsn) as other:
        held = other.transaction()
        await held.start()
        await other.execute("SELECT 1 FROM refresh_families WHERE family_key = $1 FOR UPDATE", family.key)
        rotating = asyncio.create_task(rotate(world, family, access_token=token))
        await waiting(other)
        assert await world.store.grants.revoke(family.grant_id, now=NOW, events=()) == Done()
        await held.commit()
        assert await rotating == Rotated(generation=1)
    standing = await opaque(world, token)
    assert standing is None or standing.grant.revoked_at is not None
    for presented in (0, 1):
        assert await rotate(world, family, presented) == Gone()
