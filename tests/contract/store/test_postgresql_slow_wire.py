"""F16: a database that is slow to answer, but answers: what needs many statements takes longer, and happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import pytest

from innkeeper.oauth.scope import Scope
from innkeeper.server.storage.outcomes import Done, StoreUnavailable
from innkeeper.server.storage.postgresql import PostgresStore, open_store, transitions
from innkeeper.server.storage.postgresql import pool as pools
from innkeeper.server.storage.postgresql.faults import LOST
from tests.contract.store.builders import NOW, TIMESHEETS, World, a_change, a_signing_key
from tests.contract.store.conftest import a_database

# Five in a row are more than one may take, and a machine that is busy has four times as long for each.
SLOW_S: Final = 0.2
MOST_S: Final = 0.8


@pytest.fixture
async def store(request: pytest.FixtureRequest) -> AsyncIterator[PostgresStore]:
    store = await open_store(await a_database(request), judges_by_caller=True)
    yield store
    await store.close()


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement is under way for a while."""
    monkeypatch.setattr(pools, "COMMAND_S", MOST_S)
    for name in ("execute", "fetch", "fetchmany"):
        ask = getattr(asyncpg.Connection, name)

        async def ask_slowly(self: Any, *arguments: Any, ask: Any = ask, **options: Any) -> Any:
            await asyncio.sleep(SLOW_S)
            return await ask(self, *arguments, **options)

        monkeypatch.setattr(asyncpg.Connection, name, ask_slowly)


async def allowed(world: World) -> Any:
    """One transaction of many statements."""
    consents = (None, Scope(("openid", "profile"))), (TIMESHEETS, Scope(("read:timesheets",)))
    return await world.store.consents.allow(
        world.user.user_id,
        world.client.client_id,
        additions=consents,
        answered=consents[1],
        epochs=world.epochs,
        now=NOW,
        events=[a_change()],
    )


async def test_a_transaction_of_many_statements_happens_though_each_is_slow(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await World(store).build()
    slowly(monkeypatch)
    began = time.monotonic()
    assert await allowed(world) == Done()
    assert time.monotonic() - began > MOST_S, "or this test shows nothing"
    keys = [a_signing_key(f"key {number}") for number in range(4)]
    assert await store.signing_keys.put(keys, expected=(), events=[a_change()]) == Done()


async def test_all_statements_together_have_a_bound(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await World(store).build()
    slowly(monkeypatch)
    monkeypatch.setattr(pools, "WHOLE_S", 2.5 * SLOW_S)
    with pytest.raises(StoreUnavailable):
        await allowed(world)


async def test_a_later_statement_that_does_not_answer_is_dropped_like_a_first(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "COMMAND_S", MOST_S)
    with pytest.raises(LOST):
        async with asyncio.timeout(30), store._pool.connection(time.monotonic() + 5) as connection:
            assert await connection.fetchval("SELECT 1") == 1
            await asyncio.sleep(MOST_S / 2)
            await connection.execute("SELECT pg_sleep(60)")


def test_who_waits_for_a_row_gives_up_first_and_a_whole_that_was_given_up_is_not_tried_again() -> None:
    lock_ms = int(pools.SESSION["lock_timeout"].removesuffix("ms"))
    assert lock_ms / 1000 < pools.COMMAND_S < transitions.PATIENCE_S < pools.WHOLE_S
