"""Bringing a schema up to date: once, by one of many, under the eyes of versions that are older, and out of the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from innkeeper.server import app
from innkeeper.server.config import Database
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import Done, StoreUnavailable
from innkeeper.server.storage.postgresql import schema
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.migrations import Migration, SchemaRefused
from tests.contract.store.builders import a_client
from tests.contract.transfer.places import Place, an_empty_place
from tests.postgres import Cluster, Foreign

NODES = 8


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, postgres: Cluster | Foreign) -> Place:
    """Nothing is there yet."""
    return await an_empty_place(request.param, tmp_path / "data", postgres)


def the_next_version(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Migration, ...]:
    """From now on one migration more is known."""
    known = migrations.load()
    newest = Migration(number=known[-1].number + 1, name="next", text=text, checksum="next")
    monkeypatch.setattr(migrations, "load", lambda: (*known, newest))
    return known


async def open_and_close(place: Place) -> None:
    store = await app.open_store(place.path, place.database, role="command")
    await store.close()


async def numbers(place: Place) -> list[int]:
    async with place.snapshot() as end:
        return [number for number, _ in await end.applied() or ()]


async def test_nodes_that_start_at_once_migrate_once_and_all_of_them_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(open_and_close(place) for _ in range(NODES)))
    assert await numbers(place) == [known.number for known in migrations.load()]
    # Who comes too late is told so in more than one way, by chance.
    for name in ("extra", "another", "third", "fourth"):
        table = f"CREATE TABLE {name} (id BIGINT);"
        the_next_version(
            f"{table} ALTER TABLE clients ADD COLUMN {name} BIGINT NOT NULL DEFAULT 7;", monkeypatch
        )
        await asyncio.gather(*(open_and_close(place) for _ in range(NODES)))
        assert await numbers(place) == [known.number for known in migrations.load()]


async def test_a_migration_that_fails_leaves_everything_as_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_and_close(place)
    before = await place.content(), await numbers(place)
    known = the_next_version("CREATE TABLE extra (id BIGINT); DELETE FROM instance; NONSENSE;", monkeypatch)
    with pytest.raises(Exception, match=r"(?i)syntax"):
        await open_and_close(place)
    monkeypatch.setattr(migrations, "load", lambda: known)
    assert (await place.content(), await numbers(place)) == before
    await open_and_close(place)


async def test_an_older_version_is_refused_and_one_that_runs_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `serve` of yesterday meets after the first node of today has started."""
    running = await app.open_store(place.path, place.database, role="command")
    known = the_next_version("ALTER TABLE clients ADD COLUMN extra BIGINT NOT NULL DEFAULT 7;", monkeypatch)
    newer = await app.open_store(place.path, place.database, role="command")
    monkeypatch.setattr(migrations, "load", lambda: known)

    assert await running.clients.create(a_client("made by the old"), events=()) == Done()
    assert await newer.clients.get(ClientId("made by the old")) is not None
    assert await newer.clients.create(a_client("made by the new"), events=()) == Done()
    assert await running.clients.get(ClientId("made by the new")) is not None

    with pytest.raises(SchemaRefused, match="newer Innkeeper; run that version, or restore a backup"):
        await open_and_close(place)
    await running.close()
    await newer.close()


async def test_a_migration_gives_way_to_a_long_transaction_so_that_nobody_waits_behind_it(
    tmp_path: Path, postgres: Cluster | Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, Database(url=await postgres.fresh_database()))
    node = await app.open_store(place.path, place.database, role="serving")
    the_next_version("ALTER TABLE clients ADD COLUMN extra BIGINT;", monkeypatch)
    async with place.snapshot() as backup:
        for table in await backup.tables():
            await backup.count(table)
        migrating = asyncio.create_task(open_and_close(place))
        longest = 0.0
        for number in range(20):
            began = asyncio.get_running_loop().time()
            assert await node.clients.create(a_client(f"app {number}"), events=()) == Done()
            longest = max(longest, asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.05)
        assert not migrating.done()
        # Five seconds is what a statement may take before its request gets a 503.
        assert longest < 5
        monkeypatch.setattr(schema, "_PATIENCE_S", 0.1)
        with pytest.raises(StoreUnavailable, match="a backup"):
            await open_and_close(place)
        monkeypatch.setattr(schema, "_PATIENCE_S", 60.0)
    await migrating
    assert len(await numbers(place)) == len(migrations.load())
    await node.close()
