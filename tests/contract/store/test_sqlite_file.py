"""The database file: who may read it, where it may lie, which versions may open it, and what is not in it."""

from __future__ import annotations

import asyncio
import base64
import stat
from pathlib import Path

import apsw
import pytest

from innkeeper.server.storage.outcomes import Conflict, Done, StoreUnavailable
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.migrations import Migration, SchemaRefused
from innkeeper.server.storage.sqlite import SqliteStore, open_store
from innkeeper.server.storage.sqlite.serving_lock import refuse_network_file_system
from tests.contract.store import laws
from tests.contract.store.builders import World, a_client


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_only_the_owner_may_read_what_the_store_writes(sqlite_world: World, database: Path) -> None:
    files = sorted(path.name for path in database.parent.iterdir())
    assert files == [f"innkeeper.sqlite{end}" for end in ("", "-shm", "-wal", ".lock")]
    assert {mode(path) for path in database.parent.iterdir()} == {0o600}
    assert mode(database.parent) == 0o700


async def test_a_file_that_others_may_read_is_closed_to_them(database: Path) -> None:
    await open_store(database).close()
    database.chmod(0o644)
    await open_store(database).close()
    assert mode(database) == 0o600


async def test_what_was_written_is_there_after_a_restart(database: Path) -> None:
    store = open_store(database)
    world = await World(store).build()
    code, _ = await world.issued()
    await store.close()
    store = open_store(database)
    found = await store.codes.read(code.key)
    assert found is not None
    assert await store.clients.create(a_client(), events=()) == Conflict(what="client_id")
    await store.close()


async def test_a_missing_file_is_not_made_where_none_may_be(database: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no database"):
        open_store(database, role="command", may_create=False)
    assert not database.parent.exists()


async def test_no_handle_is_in_the_file_in_clear(database: Path) -> None:
    store = open_store(database)
    secrets = await laws.one_handle_of_each_kind(await World(store).build())
    spelled = [form(secret) for secret in secrets for form in SPELLINGS]
    await store.probe()
    for _ in range(2):
        for path in sorted(database.parent.iterdir()):
            content = path.read_bytes()
            assert not [secret for secret in spelled if secret in content], path.name
        await store.close()


SPELLINGS = (
    bytes,
    lambda secret: secret.hex().encode(),
    lambda secret: base64.b64encode(secret).rstrip(b"="),
    lambda secret: base64.urlsafe_b64encode(secret).rstrip(b"="),
)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "fuse.sshfs", "glusterfs"])
def test_a_network_file_system_is_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\ntmpfs /dev tmpfs rw 0 0\n"
    )
    with pytest.raises(StoreUnavailable, match=rf"network file system \({kind}\)"):
        refuse_network_file_system(tmp_path / "data" / "innkeeper.sqlite", mounts)


def test_a_local_file_system_beside_or_on_a_network_one_is_welcome(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    database = tmp_path / "data" / "innkeeper.sqlite"
    mounts.write_text(f"server:/x {tmp_path} nfs rw 0 0\n/dev/vdb {tmp_path}/data ext4 rw 0 0\n")
    refuse_network_file_system(database, mounts)
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path}/dat nfs rw 0 0\n")
    refuse_network_file_system(database, mounts)
    refuse_network_file_system(database, tmp_path / "no-such-list")


async def test_a_newer_schema_is_refused_and_left_as_it_is(database: Path) -> None:
    await open_store(database).close()
    change(database, "INSERT INTO schema_migrations VALUES (999, 'future', 'x', 0)")
    before = database.read_bytes()
    with pytest.raises(SchemaRefused, match="newer Innkeeper"):
        open_store(database)
    assert database.read_bytes() == before


async def test_an_edited_migration_is_refused(database: Path) -> None:
    await open_store(database).close()
    change(database, "UPDATE schema_migrations SET checksum = 'other' WHERE number = 1")
    with pytest.raises(SchemaRefused, match="was edited"):
        open_store(database)


async def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    change(tmp_path / "other.sqlite", "CREATE TABLE theirs (id INTEGER)")
    with pytest.raises(SchemaRefused, match="not one of Innkeeper's"):
        open_store(tmp_path / "other.sqlite")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(StoreUnavailable):
        open_store(tmp_path / "text")
    # The lock was given back with the refusal.
    (tmp_path / "text").unlink()
    await open_store(tmp_path / "text").close()


def change(database: Path, sql: str) -> None:
    connection = apsw.Connection(str(database))
    connection.execute(sql)
    connection.close()


async def test_a_migration_is_applied_once_and_a_failing_one_leaves_the_old_schema(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_store(database).close()
    known = migrations.load()
    last = known[-1].number
    second = Migration(number=last + 1, name="second", text="CREATE TABLE extra (id {bytes});", checksum="2")
    nonsense = "CREATE TABLE more (id BIGINT); NONSENSE;"
    broken = Migration(number=last + 2, name="third", text=nonsense, checksum="3")
    monkeypatch.setattr(migrations, "load", lambda: (*known, second))
    for _ in range(2):
        await open_store(database).close()
    monkeypatch.setattr(migrations, "load", lambda: (*known, second, broken))
    with pytest.raises(apsw.SQLError):
        open_store(database)
    connection = apsw.Connection(str(database))
    assert connection.table_exists("main", "extra")
    assert not connection.table_exists("main", "more")
    assert connection.execute("SELECT number FROM schema_migrations").fetchall() == [
        (n,) for n in range(1, last + 2)
    ]
    connection.close()


async def test_a_removed_file_is_noticed_and_no_empty_one_takes_its_place(
    sqlite_store: SqliteStore, database: Path
) -> None:
    hidden = database.with_name("hidden")
    database.rename(hidden)
    await asyncio.sleep(0.12)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await sqlite_store.clients.create(a_client(), events=())
    with pytest.raises(StoreUnavailable):
        await sqlite_store.probe()
    assert not database.exists()
    hidden.rename(database)
    assert await sqlite_store.clients.create(a_client(), events=()) == Done()


def test_the_migrations_speak_the_portable_dialect() -> None:
    """What not every SQL database of the family understands stays out of the shared text."""
    forbidden = (
        "AUTOINCREMENT",
        "SERIAL",
        "TRIGGER",
        "FOREIGN KEY",
        "DEFERRABLE",
        "GENERATED",
        "TEMP ",
        "ENUM",
    )
    for migration in migrations.load():
        for statement in migration.statements({"bytes": "BYTEA", "clustered": "", "hot": ""}):
            assert not [word for word in forbidden if word in statement.upper()], statement
            assert "{" not in statement


async def test_another_file_in_its_place_is_not_written_to(
    sqlite_store: SqliteStore, database: Path, tmp_path: Path
) -> None:
    """The log beside it belongs to the first file: written together they would be corrupt."""
    other = tmp_path / "other.sqlite"
    await open_store(other).close()
    other.replace(database)
    before = database.read_bytes()
    await asyncio.sleep(0.12)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            await sqlite_store.clients.create(a_client(), events=())
    assert database.read_bytes() == before
