"""The stores that obey the contract, and the ways in which rivals meet in one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.postgresql import open_store as open_postgresql
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.rows import Value
from innkeeper.server.storage.sqlite import SqliteStore, open_store
from tests.architecture.portable_sql import faults_of
from tests.contract.store.builders import AnyStore, World
from tests.contract.store.rivals import Rivals
from tests.postgres import Cluster, Foreign

# The instants of these tests are literals, so an overlap cannot be judged by the time that the database has.
open_postgres = partial(open_postgresql, judges_by_caller=True)
_templates: dict[str, str] = {}
_look = cache(lambda sql: tuple(faults_of(sql)))


@pytest.fixture(autouse=True)
def portable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a transition says to PostgreSQL, another engine that speaks its language understands too."""
    for name in ("rows", "change"):
        said = getattr(Statements, name)

        def look_and_say(
            self: Statements, sql: str, values: Sequence[Value] = (), said: Any = said
        ) -> Awaitable[Any]:
            assert _look(sql) == (), sql
            answer: Awaitable[Any] = said(self, sql, values)
            return answer

        monkeypatch.setattr(Statements, name, look_and_say)


async def a_database(request: pytest.FixtureRequest) -> str:
    """The DSN of a database with today's schema, copied from one that was made once."""
    cluster: Cluster | Foreign = request.getfixturevalue("postgres")
    if cluster.dsn() not in _templates:
        template = await cluster.fresh_database()
        await (await open_postgres(template)).close()
        _templates[cluster.dsn()] = template
    return await cluster.fresh_database(_templates[cluster.dsn()])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "innkeeper.sqlite"


@pytest.fixture
async def sqlite_store(database: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(database)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, database: Path) -> AsyncIterator[AnyStore]:
    """Every test that takes it is run against every backend."""
    store: AnyStore
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "sqlite":
        store = open_store(database)
    else:
        store = await open_postgres(await a_database(request))
    yield store
    await store.close()


@pytest.fixture
async def world(store: AnyStore) -> World:
    return await World(store).build()


@pytest.fixture
async def sqlite_world(sqlite_store: SqliteStore) -> World:
    return await World(sqlite_store).build()


@pytest.fixture(
    params=[
        "memory", "memory-threads", "sqlite", "sqlite-two-writers", "postgresql", "postgresql-two-nodes"
    ]
)  # fmt: skip
async def rivals(request: pytest.FixtureRequest, database: Path) -> AsyncIterator[Rivals]:
    """One state and several ways to it: tasks of one loop, threads, two writers on one file, two nodes."""
    stores: list[AnyStore]
    if request.param.startswith("postgresql"):
        dsn = await a_database(request)
        stores = [await open_postgres(dsn)]
        if request.param == "postgresql-two-nodes":
            stores.append(await open_postgres(dsn))
    else:
        stores = [MemoryStore()] if request.param.startswith("memory") else [open_store(database)]
    if request.param == "sqlite-two-writers":
        stores.append(open_store(database, role="command"))
    world = await World(stores[0]).build()
    yield Rivals(world=world, stores=stores, in_threads=request.param == "memory-threads")
    for opened in stores:
        await opened.close()
