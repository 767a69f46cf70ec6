"""Several hosts in the address of the database: the one that takes writes is found, whatever the others do."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from innkeeper.server.storage.outcomes import Done, StoreUnavailable
from innkeeper.server.storage.postgresql import PostgresStore, hosts, open_store
from innkeeper.server.storage.postgresql import pool as pools
from innkeeper.server.storage.postgresql.faults import NotConnected
from tests.contract.store.builders import a_client
from tests.postgres import Cluster, Foreign, a_free_port

END_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
APP = a_client().client_id


def with_hosts(dsn: str, *, before: str = "", after: str = "") -> str:
    """The same database, with other hosts around its own."""
    parts = urlsplit(dsn)
    person, at, host = parts.netloc.rpartition("@")
    hosts = ",".join(filter(None, (before, host, after)))
    return urlunsplit(parts._replace(netloc=f"{person}{at}{hosts}"))


@contextmanager
def a_silent_host() -> Iterator[str]:
    """Takes connections and never says a word: a machine that is gone, as seen from behind a firewall."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[PostgresStore]:
    store = await open_store(dsn)
    try:
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_host_that_never_answers_costs_nothing(
    postgres: Cluster | Foreign, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    # Whoever asked it first would wait longer than pytest lets them.
    monkeypatch.setattr(pools, "CONNECT_S", 3600.0)
    with a_silent_host() as silent:
        async with (
            asyncio.timeout(20),
            opened(with_hosts(await postgres.fresh_database(), **{place: silent})) as store,
        ):
            await store.clients.create(a_client(), events=())
            assert await store.clients.get(APP) is not None


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_host_that_refuses_costs_nothing(postgres: Cluster | Foreign, place: str) -> None:
    dsn = with_hosts(await postgres.fresh_database(), **{place: f"127.0.0.1:{a_free_port()}"})
    async with opened(dsn) as store:
        await store.clients.create(a_client(), events=())
        assert await store.clients.get(APP) is not None


async def test_what_each_host_said_is_told_without_the_address_of_the_database() -> None:
    hosts = [f"127.0.0.1:{a_free_port()}" for _ in range(2)]
    with pytest.raises(StoreUnavailable) as told:
        await open_store(f"postgresql://innkeeper:swordfish@{','.join(hosts)}/innkeeper")
    assert all(f"{host}: ConnectionRefusedError" in str(told.value) for host in hosts)
    assert "swordfish" not in str(told.value)


@pytest.mark.parametrize("is_read", [True, False])
async def test_after_a_restart_of_the_database_the_first_try_speaks_for_all(
    postgres: Cluster | Foreign, is_read: bool
) -> None:
    """More broken connections lie in the pool than anybody tries, and nobody is told of them."""
    dsn = await postgres.fresh_database()
    async with opened(dsn) as store:
        await asyncio.gather(*(store.clients.get(APP) for _ in range(10)))
        assert await end_connections(dsn) > 5
        if is_read:
            assert await store.clients.get(APP) is None
        else:
            await store.clients.create(a_client(), events=())


async def test_whenever_a_connection_is_dropped_the_database_is_away_and_nothing_else(
    postgres: Cluster | Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two steps of the library: it must never look like a fault of ours, which would be a 500."""
    async with opened(await postgres.fresh_database()) as store:
        for number in range(60):
            monkeypatch.setattr(pools, "WHOLE_S", number * 0.0005)
            with suppress(StoreUnavailable):
                await store.clients.get(APP)
            with suppress(StoreUnavailable):
                await store.clients.create(a_client(f"app-{number}"), events=())


async def end_connections(dsn: str) -> int:
    """As a restart does; how many there were."""
    connection = await asyncpg.connect(dsn)
    ended = await connection.fetchval(END_OTHERS)
    await connection.close()
    return int(ended)


class Handshakes:
    """Stands before `hosts.connect` and lets the first few fail."""

    def __init__(self, failing: int, *, is_momentary: bool) -> None:
        self.tried = 0
        self._failing = failing
        self._is_momentary = is_momentary
        self._connect = hosts.connect

    async def connect(self, url: str, **options: Any) -> Any:
        self.tried += 1
        if self.tried <= self._failing:
            raise NotConnected("nobody there", is_momentary=self._is_momentary)
        return await self._connect(url, **options)


async def test_who_does_not_know_whether_it_happened_asks_as_long_as_there_is_time(
    postgres: Cluster | Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away for a moment after it has done what was asked: its answer is told all the same."""
    async with opened(await postgres.fresh_database()) as store:
        handshakes = Handshakes(5, is_momentary=False)
        monkeypatch.setattr(hosts, "connect", handshakes.connect)
        store.lose_next_answer()
        assert await store.clients.create(a_client(), events=()) == Done()
        assert handshakes.tried == 6


async def test_a_slow_handshake_is_tried_again_and_one_that_is_refused_is_told_at_once(
    postgres: Cluster | Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(await postgres.fresh_database()) as store:
        for tries, is_momentary in ((2, True), (1, False)):
            store._pool._let_go()
            handshakes = Handshakes(1, is_momentary=is_momentary)
            monkeypatch.setattr(hosts, "connect", handshakes.connect)
            if is_momentary:
                assert await store.clients.get(APP) is None
            else:
                with pytest.raises(StoreUnavailable):
                    await store.clients.get(APP)
            assert handshakes.tried == tries
            monkeypatch.undo()


def test_a_forked_process_has_audit_keys_of_its_own() -> None:
    """Or the rows of one worker would be taken for those of another, and left out."""
    script = (
        "import os\nfrom innkeeper.server.storage.postgresql.audit import _Process as p\n"
        "ours, child = p.mark, os.fork()\n"
        "if not child: os._exit(p.mark == ours)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
