"""Nobody works on a database that is carried elsewhere or replaced: neither who stayed, nor who comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import apsw
import asyncpg
import pytest

from innkeeper.server.flows.registry import Registry
from innkeeper.server.flows.transfer.move import give_up, move
from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.flows.transfer.restore import restore, verify
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.transfer.interface import End, TransferConflict
from tests.contract.store.builders import a_client
from tests.contract.store.test_postgresql_hosts import END_OTHERS
from tests.contract.transfer.filling import NOW, nothing
from tests.contract.transfer.places import Place, a_full_place, an_empty_place, moved
from tests.contract.transfer.test_backups_of_postgresql import backed_up, execute, restored
from tests.postgres import Cluster, Foreign

NODE = {"application_name": "innkeeper"}


@asynccontextmanager
async def connected(place: Place, **options: Any) -> AsyncIterator[None]:
    """Somebody is there who has not read any mark."""
    connection = await asyncpg.connect(place.database.url, **options)
    try:
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def a_role(place: Place) -> AsyncIterator[dict[str, str]]:
    """Somebody else's, without any rights."""
    name = f"other_{token_hex(4)}"
    await execute(place, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    try:
        yield {"user": name, "password": name}
    finally:
        await execute(place, f"DROP ROLE {name}")


def before(end: End, name: str, act: Callable[[], Awaitable[None]], *, call: int = 1) -> None:
    """Something happens just before that call of the method."""
    method, calls = getattr(end, name), 0

    async def run(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            await act()
        return await method(*arguments, **options)

    setattr(end, name, run)


async def refused_for_those_who_are_there(here: End, there: End) -> None:
    with pytest.raises(StoreUnavailable, match="stop every node"):
        await move(here, there, now=NOW, transfer="1", may_replace=False, tell=nothing)


async def test_a_node_of_another_role_is_a_node(tmp_path: Path, postgres: Cluster | Foreign) -> None:
    place = await an_empty_place("postgresql", tmp_path, postgres)
    async with a_role(place) as role:
        async with connected(place, **role), place.alone():
            pass
        async with connected(place, **role, server_settings=NODE):
            with pytest.raises(StoreUnavailable, match="1 other connections: stop every node"):
                async with place.alone():
                    pass


@pytest.mark.parametrize("call", [1, 2], ids=["before-the-first-mark", "before-the-last"])
async def test_who_connects_after_the_first_count_is_counted_again(
    tmp_path: Path, postgres: Cluster | Foreign, call: int
) -> None:
    source = await a_full_place("postgresql", tmp_path / "here", postgres)
    target = await an_empty_place("sqlite", tmp_path / "there", postgres)
    node = connected(source, server_settings=NODE)
    async with source.alone() as here, target.alone() as there:
        before(here, "set_mark", node.__aenter__, call=call)
        await refused_for_those_who_are_there(here, there)
    assert not await source.is_served() and not await target.is_served()
    await node.__aexit__(None, None, None)
    await moved(source, target)
    assert await target.is_served() and not await source.is_served()


async def test_who_connects_to_the_new_database_is_counted_too(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    source = await a_full_place("sqlite", tmp_path / "here", postgres)
    target = await an_empty_place("postgresql", tmp_path / "there", postgres)
    await backed_up(source, tmp_path / "backup")
    for is_restore in (False, True):
        node = connected(target, server_settings=NODE)
        async with source.alone() as here, target.alone() as there:
            before(there, "create", node.__aenter__)
            if is_restore:
                async with Place(tmp_path / "backup").snapshot() as file:
                    backup = await verify(file, nothing)
                    with pytest.raises(StoreUnavailable, match="stop every node"):
                        await restore(file, there, backup, may_replace=True, now=NOW, tell=nothing)
            else:
                await refused_for_those_who_are_there(here, there)
        await node.__aexit__(None, None, None)
        assert not await target.is_served()


async def refuses_everything(store: Store, words: str) -> None:
    for use in (
        lambda: store.registry.changes_since(0),
        store.probe,  # /readyz
        lambda: store.clients.get(a_client().client_id),
        lambda: store.clients.create(a_client(), events=()),
    ):
        with pytest.raises(StoreUnavailable, match=words):
            await use()


async def test_a_node_that_was_cut_off_comes_back_and_serves_nobody(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    source = await a_full_place("postgresql", tmp_path / "here", postgres)
    target = await an_empty_place("sqlite", tmp_path / "there", postgres)
    node = await source.store()
    await node.registry.changes_since(0)
    await node.probe()
    await cut_off(source)
    await moved(source, target)
    with pytest.raises(StoreUnavailable, match="has moved to"):
        await node.probe()
    await refuses_everything(node, "has moved to")
    await node.close()


async def test_a_node_that_was_cut_off_believes_nothing_that_a_restore_has_undone(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    """Its registry has read changes whose numbers are given a second time."""
    place = await an_empty_place("postgresql", tmp_path / "here", postgres)
    node = await place.store()
    await node.clients.create(a_client(), events=())
    await backed_up(place, tmp_path / "backup")
    for name in ("lost", "undone"):
        await node.clients.create(a_client(name, allowed_origins=()), events=())
    registry = Registry(node, await node.registry.snapshot(), lambda snapshot: None)
    assert await registry.client("lost") is not None
    await cut_off(place)
    await restored(tmp_path / "backup", place, may_replace=True)
    other = await place.store()
    await other.clients.create(a_client("undone", allowed_origins=(), is_enabled=False), events=())
    assert await registry.refresh() is True
    assert await registry.client("lost") is None
    found = await registry.client("undone")
    assert found is not None and not found.is_enabled
    assert registry.snapshot == await other.registry.snapshot()
    await node.close()
    await other.close()


async def test_a_node_whose_connections_live_on_reads_the_mark_with_the_registry(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    """Those of a pooler do."""
    source = await a_full_place("postgresql", tmp_path / "here", postgres)
    target = await an_empty_place("sqlite", tmp_path / "there", postgres)
    async with source.alone() as here, target.alone() as there:
        node: list[Store] = []

        async def start() -> None:
            node.append(await source.store())
            await node[0].registry.changes_since(0)
            await node[0].probe()

        before(here, "set_mark", start)
        await refused_for_those_who_are_there(here, there)
        await refuses_everything(node[0], "being moved to")
        await give_up(here)
        await node[0].registry.changes_since(0)
        await node[0].probe()
        await node[0].close()


async def test_what_a_command_writes_after_the_comparison_is_found(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    """It had opened the file before the first mark."""
    source = await a_full_place("sqlite", tmp_path / "here", postgres)
    target = await an_empty_place("sqlite", tmp_path / "there", postgres)
    command = apsw.Connection(str(source.path))

    async def write() -> None:
        command.execute("DELETE FROM roles")

    async with source.alone() as here, target.alone() as there:
        before(here, "set_mark", write, call=2)
        with pytest.raises(TransferConflict, match="let no command run"):
            await move(here, there, now=NOW, transfer="1", may_replace=False, tell=nothing)
    command.close()
    assert not await source.is_served() and not await target.is_served()
    with pytest.raises(TransferRefused, match="roles"):
        await moved(source, target)
    await moved(source, target, may_replace=True)
    assert await target.content() != {} and await target.is_served()


async def cut_off(place: Place) -> None:
    """As a network does that fails, and the database has noticed."""
    connection = await asyncpg.connect(place.database.url)
    async with asyncio.timeout(20):
        while await connection.fetchval(END_OTHERS):
            await asyncio.sleep(0.01)
    await connection.close()
