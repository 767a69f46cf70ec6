"""What the store demands of a PostgreSQL, and what it asks of each connection."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec.structs import replace

from innkeeper.server.model.identifiers import ClientId, Subject
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Blocked, ClientStanding, StoreUnavailable
from innkeeper.server.storage.postgresql import PostgresStore, open_store
from innkeeper.server.storage.postgresql import pool as pools
from innkeeper.server.storage.postgresql.faults import LOST
from innkeeper.server.storage.schema.migrations import SchemaRefused
from tests.contract.store.builders import HOUR, NOW, World, a_client, a_key, an_api
from tests.contract.store.conftest import a_database
from tests.postgres import Cluster, Foreign

WAITS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_a_database_that_forgets_what_it_acknowledged_is_refused(postgres: Cluster | Foreign) -> None:
    dsn = await postgres.fresh_database()
    connection = await asyncpg.connect(dsn)
    name = urlsplit(dsn).path.lstrip("/")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    refused = ""
    try:
        await (await open_store(dsn)).close()
    except SchemaRefused as error:
        refused = str(error)
    assert "synchronous_commit" in refused
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = local")
    await (await open_store(dsn)).close()
    await connection.close()


async def test_a_row_that_somebody_holds_is_not_waited_for_without_end(
    request: pytest.FixtureRequest,
) -> None:
    """F15: an administrator's own transaction stands on a row that a request needs."""
    dsn = await a_database(request)
    store = await open_store(dsn, judges_by_caller=True)
    world = await World(store).build()
    code, _ = await world.issued()
    holding = await asyncpg.connect(dsn)
    await holding.execute("BEGIN")
    await holding.execute("SELECT 1 FROM authorization_codes FOR UPDATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await world.redeem(code)
    assert time.monotonic() - began < 15, "6 s at most were meant, on a machine that has nothing else to do"
    await holding.execute("ROLLBACK")
    await holding.close()
    assert type(await world.redeem(code)).__name__ == "Redeemed"
    await store.close()


async def test_an_attempt_that_waited_for_a_counter_which_is_used_up_counts_on_no_other(
    request: pytest.FixtureRequest,
) -> None:
    dsn = await a_database(request)
    store = await open_store(dsn)
    account = AttemptLimit(key=b"account", attempts=3, window=HOUR)
    address = AttemptLimit(key=b"address", attempts=2, window=HOUR)
    assert await store.throttles.attempt([account, address], now=NOW) == Allowed()
    rival = await asyncpg.connect(dsn)
    await rival.execute("BEGIN")
    await rival.execute("UPDATE throttles SET used = 3 WHERE throttle_key = $1", b"account")
    waiting = asyncio.create_task(store.throttles.attempt([account, address], now=NOW))
    while not await rival.fetchval(WAITS):
        await asyncio.sleep(0.01)
    await rival.execute("COMMIT")
    await rival.close()
    assert await waiting == Blocked(until=NOW + HOUR)
    assert await store.throttles.attempt([address], now=NOW) == Allowed()
    assert await store.throttles.attempt([address], now=NOW) == Blocked(until=NOW + HOUR)
    await store.close()


async def test_a_node_that_vanished_holds_no_row(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "SESSION", pools.SESSION | {"idle_in_transaction_session_timeout": "200ms"})
    store = await open_store(await a_database(request))
    pool = store._pool
    async with pool.connection(time.monotonic() + 5, may_last_s=30) as connection:
        await connection.execute("BEGIN")
        await connection.execute("UPDATE instance SET probed_at = 7 WHERE id = 1")
        await store.probe()
        with pytest.raises(LOST):
            await connection.execute("COMMIT")
    await store.close()


HELD = ("\0", "erin\0", "\0erin", "\ud800", "grüße\0", "\udfff!")


@pytest.mark.parametrize("text", HELD)
async def test_nobody_has_a_name_that_postgresql_cannot_hold(
    text: str, request: pytest.FixtureRequest
) -> None:
    store = await open_store(await a_database(request))
    assert await store.clients.get(ClientId(text)) is None
    assert await store.users.get(Subject(text)) is None
    assert await store.users.for_sign_in(text) is None
    assert await store.clients.with_origin(text) == ()
    standing = await store.access_tokens.client_standing(ClientId(text), a_key())
    assert standing == ClientStanding(client_epoch=None, tokens_not_before=None)
    await store.close()


async def test_what_cannot_be_held_is_refused_and_breaks_nothing(request: pytest.FixtureRequest) -> None:
    """No flow lets such a name come this far; if one did, it would be its bug, not a database that is away."""
    store: PostgresStore = await open_store(await a_database(request))
    for text in HELD:
        with pytest.raises(ValueError):
            await store.clients.create(a_client(text), events=())
        with pytest.raises(ValueError):
            await store.apis.create(replace(an_api(), identifier=text), events=())
    assert await store.clients.list() == ()
    await store.close()
