"""What other nodes have changed is heard however busy the connections of requests are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from innkeeper.server.storage.postgresql import open_store
from innkeeper.server.storage.postgresql.store import PostgresStore
from tests.postgres import Cluster, Foreign

pytestmark = pytest.mark.anyio
CONNECTIONS = 4
AT_ONCE_S = 2.0


@pytest.fixture
async def dsn(postgres: Cluster | Foreign) -> str:
    return await postgres.fresh_database()


@pytest.fixture
async def store(dsn: str) -> AsyncGenerator[PostgresStore]:
    store = await open_store(dsn, connections=CONNECTIONS)
    yield store
    await store.close()


async def test_changes_are_heard_while_every_other_connection_waits(dsn: str, store: PostgresStore) -> None:
    other = await asyncpg.connect(dsn)
    try:
        async with other.transaction():
            await other.execute("SELECT * FROM instance WHERE id = 1 FOR UPDATE")
            waiting = [asyncio.create_task(store.probe()) for _ in range(2 * CONNECTIONS)]
            await asyncio.sleep(0.2)
            assert not any(task.done() for task in waiting)
            async with asyncio.timeout(AT_ONCE_S):
                assert await store.registry.changes_since(0) == ()
            assert not any(task.done() for task in waiting)
    finally:
        await other.close()
    await asyncio.gather(*waiting)


async def test_a_process_opens_no_more_connections_than_it_was_allowed(
    dsn: str, store: PostgresStore
) -> None:
    await asyncio.gather(
        *(store.probe() for _ in range(40)), *(store.registry.changes_since(0) for _ in range(40))
    )
    other = await asyncpg.connect(dsn)
    try:
        count = await other.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    finally:
        await other.close()
    assert 2 <= count <= CONNECTIONS
