"""Databases with rows in every table there is, also in those that are made after this was written."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import msgspec

from innkeeper.server import app
from innkeeper.server.model.instance import Instance
from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.storage.transfer.records import Row

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LISTS = ("schema_migrations", "instance", "transfer_tables")
INSTANCE = Instance(issuer="https://id.example.test", master_check=b"check", created_at=NOW)


async def a_full_database(path: Path, *, rows: int = 3) -> Path:
    """Of this version's schema, claimed, and with so many rows in each table."""
    store = await app.open_store(path, role="serving")
    await store.claim_instance(INSTANCE)
    await store.close()
    connection = apsw.Connection(str(path))
    with connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            if table not in LISTS:
                fill(connection, str(table), rows)
    connection.close()
    return path


def fill(connection: apsw.Connection, table: str, rows: int) -> None:
    """Any values that the columns take; keys and what is unique are random enough."""
    columns = connection.execute(f"SELECT type, \"notnull\", pk FROM pragma_table_info('{table}')").fetchall()
    places = ", ".join("?" * len(columns))
    for number in range(rows):
        # One row with nothing where nothing may be, so that no run has to be lucky.
        chance = 1.0 if number == 0 else 0.3
        values = [a_value(str(kind), 0.0 if required or key else chance) for kind, required, key in columns]
        connection.execute(f"INSERT INTO {table} VALUES ({places})", values)


def a_value(kind: str, chance_of_null: float) -> Any:
    if random.random() < chance_of_null:
        return None
    if kind == "TEXT":
        return f"{os.urandom(6).hex()} ü 田 \U0001f511 '\"\\"
    if kind == "BLOB":
        # A zero first, last or in the middle is a byte like any other.
        return b"\x00" + os.urandom(8) + b"\x00'\\" + os.urandom(4)
    if kind == "SMALLINT":
        return random.randrange(2)
    assert kind == "BIGINT", kind
    return random.randrange(2**62)


async def content(end: End) -> dict[str, list[Row]]:
    """Everything in it, but for the lists; sorted, since stores sort texts each in its own way."""
    return {
        table.name: sorted(await end.rows(table, None, 1_000_000), key=msgspec.msgpack.encode)
        for table in await end.tables()
    }


async def content_of(path: Path) -> dict[str, list[Row]]:
    end = await app.open_snapshot(path)
    try:
        return await content(end)
    finally:
        await end.close()


def nothing(what: str, table: str, rows: int) -> None:
    """Nobody looks at the progress."""
