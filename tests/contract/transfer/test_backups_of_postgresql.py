"""A backup is the same file wherever it comes from, and goes wherever it is wanted."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from innkeeper.server import app
from innkeeper.server.config import Database
from innkeeper.server.flows.transfer.backup import back_up
from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.flows.transfer.restore import ENDED_BY_A_RESTORE, restore, verify
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.rows import from_us
from tests.contract.store.test_postgresql_hosts import with_hosts
from tests.contract.transfer.filling import NOW, nothing
from tests.contract.transfer.places import Place, a_full_place, an_empty_place
from tests.postgres import FAST, Cluster, Foreign, a_free_port

ENDED = {"sessions", "access_tokens", "consents", "device_codes", "one_time_links"}
CHANGED = ENDED | {"grants", "clients", "audit_events"}


async def backed_up(place: Place, file: Path) -> None:
    target = await app.open_backup(file)
    try:
        async with place.snapshot() as source:
            await back_up(source, target, now=NOW, transfer="ab12", tell=nothing)
    finally:
        await target.close()


async def restored(file: Path, place: Place, *, may_replace: bool = False, now: datetime = NOW) -> None:
    async with Place(file).snapshot() as source, place.alone() as target:
        backup = await verify(source, nothing)
        await restore(source, target, backup, may_replace=may_replace, now=now, tell=nothing)


async def execute(place: Place, sql: str) -> None:
    connection = await asyncpg.connect(place.database.url)
    await connection.execute(sql)
    await connection.close()


async def test_it_is_of_one_instant_although_nodes_write_meanwhile(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    place = await a_full_place("postgresql", tmp_path / "here", postgres)
    before = await place.content()
    writer = await asyncpg.connect(place.database.url)
    target = await app.open_backup(tmp_path / "backup")
    async with place.snapshot() as source:
        rows = source.rows

        async def while_others_write(*arguments: object) -> object:
            await writer.execute("DELETE FROM grants WHERE grant_id = (SELECT max(grant_id) FROM grants)")
            await writer.execute("UPDATE clients SET revision = revision + 1")
            await writer.execute("INSERT INTO roles VALUES (gen_random_uuid()::text, 1, '')")
            return await rows(*arguments)  # type: ignore[arg-type]

        source.rows = while_others_write  # type: ignore[method-assign, assignment]
        await back_up(source, target, now=NOW, transfer="ab12", tell=nothing)
    await target.close()
    await writer.close()
    assert await Place(tmp_path / "backup").content() == before
    assert await place.content() != before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_it_comes_back_into_either_store_and_what_may_have_been_revoked_has_ended(
    kind: str, tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    place = await a_full_place("postgresql", tmp_path / "here", postgres)
    before = await place.content()
    await backed_up(place, tmp_path / "backup")
    target = await an_empty_place(kind, tmp_path / "there", postgres)
    await restored(tmp_path / "backup", target)
    after = await target.content()
    assert {name for name in before if before[name] != after[name]} == CHANGED
    assert {name for name in after if not after[name]} == ENDED
    async with target.snapshot() as end:
        [grants] = [table for table in await end.tables() if table.name == "grants"]
    assert None not in [row[grants.columns.index("revoked_at")] for row in after["grants"]]
    assert len(ENDED_BY_A_RESTORE) == len(CHANGED) - 1
    [told] = set(after["audit_events"]) - set(before["audit_events"])
    assert "database.restored" in told
    await (await target.store()).close()


@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(hours=3)])
async def test_what_has_ended_has_ended_by_the_later_of_the_two_clocks(
    ahead: timedelta, tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    """Tokens carry the database's time, and the machine that restores may be behind it."""
    await backed_up(await a_full_place("sqlite", tmp_path / "here", postgres), tmp_path / "backup")
    target = await an_empty_place("postgresql", tmp_path / "there", postgres)
    begun = datetime.now(UTC)
    await restored(tmp_path / "backup", target, now=begun + ahead)
    earliest = max(begun, begun + ahead)
    connection = await asyncpg.connect(target.database.url)
    found = await connection.fetch("SELECT DISTINCT tokens_not_before FROM clients")
    await connection.close()
    [(not_before,)] = found
    assert timedelta() < from_us(not_before) - earliest < timedelta(minutes=2)


async def test_nothing_is_restored_over_a_database_or_under_running_nodes(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    place = await a_full_place("postgresql", tmp_path / "here", postgres)
    await backed_up(place, tmp_path / "backup")
    await execute(place, "INSERT INTO roles VALUES ('made since', 1, '')")
    before = await place.content()
    with pytest.raises(TransferRefused, match="--replace"):
        await restored(tmp_path / "backup", place)
    node = await place.store()
    with pytest.raises(StoreUnavailable, match="stop every node"):
        await restored(tmp_path / "backup", place, may_replace=True)
    await node.close()
    behind_a_pooler = Place(place.path, Database(url=place.database.url, pooler=True))
    with pytest.raises(StoreUnavailable, match="INNKEEPER_DATABASE__URL"):
        await restored(tmp_path / "backup", behind_a_pooler, may_replace=True)
    assert await place.content() == before
    await restored(tmp_path / "backup", place, may_replace=True)
    assert len((await place.content())["roles"]) == len(before["roles"]) - 1


async def test_a_database_with_the_tables_of_others_is_left_alone(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    place = await a_full_place("sqlite", tmp_path / "here", postgres)
    await backed_up(place, tmp_path / "backup")
    theirs = await an_empty_place("postgresql", tmp_path / "there", postgres)
    await execute(theirs, "CREATE TABLE orders (id BIGINT)")
    with pytest.raises(Exception, match="not this Innkeeper's"):
        await restored(tmp_path / "backup", theirs, may_replace=True)
    await execute(theirs, "INSERT INTO orders VALUES (1)")


async def test_of_several_hosts_the_one_that_takes_writes_is_backed_up(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    """The other ones may lag behind it. Named alone, a standby is good enough."""
    place = await a_full_place("postgresql", tmp_path / "here", postgres)
    url = place.database.url
    assert url is not None
    folder = Path(tempfile.mkdtemp(prefix="innkeeper-standby-"))
    standby = Cluster(folder / "postgres", options=(*FAST, "default_transaction_read_only=on"))
    standby.create()
    standby.start()
    try:
        other = f"127.0.0.1:{standby.port}"
        name = urlsplit(url).path.lstrip("/")
        making = await asyncpg.connect(standby.dsn())
        await making.execute("SET transaction_read_only = off")
        await making.execute("SET default_transaction_read_only = off")
        await making.execute(f"CREATE DATABASE {name}")
        await making.close()
        for around in ({"before": other}, {"after": other}, {"before": f"127.0.0.1:{a_free_port()}"}):
            several = Place(place.path, Database(url=with_hosts(url, **around)))
            for _ in range(6):
                assert await several.content() == await place.content()
        alone = Place(
            place.path, Database(url=urlunsplit(urlsplit(url)._replace(netloc=f"postgres@{other}")))
        )
        async with alone.snapshot() as end:
            assert await end.applied() is None
    finally:
        standby.stop()
        shutil.rmtree(folder)
