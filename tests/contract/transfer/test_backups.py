"""A backup holds everything as it was at one instant, and says so only when that is proved."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from innkeeper.server import app
from innkeeper.server.flows.transfer.backup import back_up
from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.flows.transfer.restore import Backup, restore, verify
from innkeeper.server.protocol.liveness import is_client_token_live
from innkeeper.server.storage.outcomes import Done, StoreUnavailable
from innkeeper.server.storage.schema.migrations import SchemaRefused
from innkeeper.server.storage.transfer.records import Counted
from tests.contract.store.builders import a_client, a_key, a_machine_token
from tests.contract.transfer.filling import NOW, a_full_database, content_of, nothing

ENDED = ("sessions", "access_tokens", "consents", "device_codes", "one_time_links")
CHANGED = (*ENDED, "grants", "clients", "audit_events")


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    return await a_full_database(tmp_path / "here" / "innkeeper.sqlite3")


async def a_backup(database: Path, file: Path) -> Counted:
    source, target = await app.open_snapshot(database), await app.open_backup(file)
    try:
        return await back_up(source, target, now=NOW, transfer="ab12", tell=nothing)
    finally:
        await target.close()
        await source.close()


async def verified(file: Path) -> Backup:
    source = await app.open_snapshot(file)
    try:
        return await verify(source, nothing)
    finally:
        await source.close()


async def restored(file: Path, database: Path, *, may_replace: bool = False) -> None:
    source, target = await app.open_snapshot(file), await app.open_alone(database, may_create=True)
    try:
        backup = await verify(source, nothing)
        await restore(source, target, backup, may_replace=may_replace, now=NOW, tell=nothing)
    finally:
        await target.close()
        await source.close()


def change(file: Path, sql: str, values: Sequence[Any] = ()) -> int:
    connection = apsw.Connection(str(file))
    connection.execute(sql, values)
    changed = connection.changes()
    connection.close()
    return changed


def column(file: Path, sql: str) -> list[Any]:
    connection = apsw.Connection(str(file))
    found = [value for (value,) in connection.execute(sql)]
    connection.close()
    return found


async def test_every_row_of_every_table_is_in_it_and_nobody_else_may_read_it(
    database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    counted = await a_backup(database, file)
    before = await content_of(database)
    assert counted == Counted(tables=len(before), rows=sum(map(len, before.values())))
    assert all(before.values()), "a table without a row shows nothing"
    assert await content_of(file) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (await verified(file)).counted == counted
    assert [name.name for name in tmp_path.iterdir() if name.name.startswith("backup")] == ["backup"]


async def test_it_is_of_one_instant_although_others_write_meanwhile(database: Path, tmp_path: Path) -> None:
    before = await content_of(database)
    store = await app.open_store(database, role="serving")
    written = 0

    def write(what: str, table: str, rows: int) -> None:
        """Between any two steps somebody commits."""
        nonlocal written
        written += change(
            database, "DELETE FROM grants WHERE grant_id IN (SELECT grant_id FROM grants LIMIT 1)"
        )
        written += change(database, "UPDATE clients SET revision = revision + 1")
        written += change(database, "INSERT INTO roles VALUES (hex(randomblob(8)), 1, x'00')")

    source, target = await app.open_snapshot(database), await app.open_backup(tmp_path / "backup")
    await back_up(source, target, now=NOW, transfer="ab12", tell=write)
    await target.close()
    await source.close()
    await store.close()
    assert written > len(before)
    assert await content_of(tmp_path / "backup") == before
    assert await content_of(database) != before


async def test_a_backup_is_not_served_whatever_name_it_is_given(database: Path, tmp_path: Path) -> None:
    await a_backup(database, tmp_path / "backup")
    with pytest.raises(SchemaRefused, match="innkeeper restore"):
        await app.open_store(tmp_path / "backup", role="serving")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM grants WHERE grant_id = (SELECT max(grant_id) FROM grants)",
        "UPDATE grants SET expires_at = expires_at + 1 WHERE grant_id = (SELECT max(grant_id) FROM grants)",
        "INSERT INTO user_identifiers VALUES ('mallory', 'sub-erin')",
        "UPDATE transfer_tables SET row_count = row_count + 1 WHERE name = 'grants'",
        "UPDATE transfer_tables SET is_complete = 0 WHERE name = 'grants'",
        "DELETE FROM transfer_tables WHERE name = 'grants'",
        "DELETE FROM transfer_tables",
        "DROP TABLE throttles",
    ],
)
async def test_a_backup_in_which_anything_has_changed_is_refused_before_anything_is_deleted(
    damage: str, database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await a_backup(database, file)
    change(file, damage)
    before = await content_of(database)
    with pytest.raises(TransferRefused, match=r"damaged|not written to its end|innkeeper backup"):
        await restored(file, database, may_replace=True)
    assert await content_of(database) == before


async def test_a_byte_that_has_turned_is_found(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    await a_backup(database, file)
    whole = file.read_bytes()
    [record] = column(file, "SELECT record FROM roles LIMIT 1")
    place = whole.index(record) + len(record) // 2
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(TransferRefused, match="damaged"):
        await verified(file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((TransferRefused, StoreUnavailable)):
        await verified(file)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
async def test_what_is_no_backup_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_bytes(content)
    with pytest.raises((TransferRefused, StoreUnavailable)):
        await verified(file)


async def test_a_live_database_is_no_backup(database: Path) -> None:
    with pytest.raises(TransferRefused, match="not a backup"):
        await verified(database)


async def test_what_comes_back_is_what_was_there_but_for_what_may_have_been_revoked(
    database: Path, tmp_path: Path
) -> None:
    file, elsewhere = tmp_path / "backup", tmp_path / "elsewhere" / "innkeeper.sqlite3"
    await a_backup(database, file)
    await restored(file, elsewhere)
    before, after = await content_of(database), await content_of(elsewhere)
    assert set(before) == set(after)
    for table in set(before) - set(CHANGED):
        assert before[table] == after[table], table
    assert [table for table in ENDED if after[table]] == []
    assert len(after["grants"]) == len(before["grants"])
    assert None not in column(elsewhere, "SELECT revoked_at FROM grants")
    assert column(elsewhere, "SELECT DISTINCT tokens_not_before - 1000000 FROM clients") == [
        int(NOW.timestamp()) * 1_000_000
    ]
    assert len(after["audit_events"]) == len(before["audit_events"]) + 1
    assert column(elsewhere, "SELECT count(*) FROM audit_events WHERE type = 'database.restored'") == [1]
    await (await app.open_store(elsewhere, role="serving")).close()


async def test_no_change_of_an_app_revives_what_it_got_before_the_restore(tmp_path: Path) -> None:
    """The JWT and the opaque token were given back after the backup, which cannot know of it."""
    database, file = tmp_path / "innkeeper.sqlite3", tmp_path / "backup"
    jwt, token, client = a_key(), a_machine_token(issued_at=NOW), a_client()
    store = await app.open_store(database, role="serving")
    await store.clients.create(client, events=())
    assert await store.access_tokens.issue(token, client_revision=1, events=()) == Done()
    await a_backup(database, file)
    for key in (jwt, token.key):
        await store.access_tokens.deny(key, expires_at=token.expires_at, events=())
    await store.close()
    await restored(file, database, may_replace=True)
    store = await app.open_store(database, role="serving")
    stored = await store.clients.get(client.client_id)
    assert stored is not None
    assert await store.clients.replace(replace(stored, name="Another"), events=()) == Done()
    standing = await store.access_tokens.client_standing(client.client_id, jwt)
    assert await store.access_tokens.opaque_standing(token.key) is None
    await store.close()
    assert not standing.is_denied, "the list of what was given back went back in time"
    assert not is_client_token_live(standing, 1, NOW)
    assert is_client_token_live(standing, 1, NOW + timedelta(seconds=1))


async def test_nothing_is_restored_over_a_database_unless_that_is_asked_for(
    database: Path, tmp_path: Path
) -> None:
    await a_backup(database, tmp_path / "backup")
    change(database, "INSERT INTO roles VALUES ('made since', 1, x'00')")
    before = await content_of(database)
    with pytest.raises(TransferRefused, match="--replace"):
        await restored(tmp_path / "backup", database)
    assert await content_of(database) == before
    await restored(tmp_path / "backup", database, may_replace=True)
    assert "made since" not in column(database, "SELECT name FROM roles")


async def test_nothing_is_restored_under_a_running_server(database: Path, tmp_path: Path) -> None:
    await a_backup(database, tmp_path / "backup")
    store = await app.open_store(database, role="serving")
    with pytest.raises(StoreUnavailable, match="already serves"):
        await restored(tmp_path / "backup", database, may_replace=True)
    await store.close()


async def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from innkeeper.server.storage.schema import migrations

    file, elsewhere = tmp_path / "backup", tmp_path / "elsewhere" / "innkeeper.sqlite3"
    known = migrations.load()
    newest = migrations.Migration(
        number=999,
        name="later",
        text="ALTER TABLE roles ADD COLUMN later BIGINT NOT NULL DEFAULT 7",
        checksum="x",
    )
    await a_backup(database, file)
    monkeypatch.setattr(migrations, "load", lambda: (*known, newest))
    await restored(file, elsewhere)
    assert set(column(elsewhere, "SELECT later FROM roles")) == {7}
    assert 999 in column(elsewhere, "SELECT number FROM schema_migrations")

    newer = tmp_path / "newer"
    await a_backup(elsewhere, newer)
    monkeypatch.setattr(migrations, "load", lambda: known)
    with pytest.raises(SchemaRefused, match="newer Innkeeper"):
        await verified(newer)
