"""A crowd is written into a store that nobody serves: with its indices away, which are made again at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import asyncpg

from innkeeper.server.flows.seals import Seals
from innkeeper.server.storage.rows import Value
from innkeeper.server.storage.sqlite.connection import open_writer
from tests.faults.growth.crowd import Crowd

_INDICES = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
_INDICES_OF_POSTGRES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS sql
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisprimary
"""
_CACHE_KIB = -512 * 1024


def fill_sqlite(database: Path, crowd: Crowd, seals: Seals) -> None:
    """Nothing is durable before it is done, and then everything is."""
    connection = open_writer(database)
    try:
        connection.pragma("cache_size", _CACHE_KIB)
        connection.pragma("journal_mode", "OFF")
        connection.pragma("synchronous", "OFF")
        indices = connection.execute(_INDICES).fetchall()
        for name, _ in indices:
            connection.execute(f"DROP INDEX {name}")
        for table in crowd.tables(seals):
            with connection:
                places = ", ".join("?" * len(table.columns))
                connection.executemany(
                    f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})", table.rows()
                )
        for _, sql in indices:
            connection.execute(str(sql))
        connection.pragma("journal_mode", "WAL")
    finally:
        connection.close()


async def fill_postgres(dsn: str, crowd: Crowd, seals: Seals) -> None:
    """As one would restore a dump; the statistics are those that autovacuum would have made by then."""
    connection = await asyncpg.connect(dsn)
    try:
        indices = await connection.fetch(_INDICES_OF_POSTGRES)
        for index in indices:
            await connection.execute(f"DROP INDEX {index['name']}")
        for table in crowd.tables(seals):
            await connection.copy_records_to_table(table.name, records=table.rows(), columns=table.columns)
        for index in indices:
            await connection.execute(index["sql"])
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def count_postgres(dsn: str, sql: str, *values: bytes) -> int:
    """Beside the server that works on it."""
    connection = await asyncpg.connect(dsn)
    try:
        count: int = await connection.fetchval(sql.replace("?", "$"), *values)
        return count
    finally:
        await connection.close()


def count_sqlite(database: Path, sql: str, *values: bytes) -> int:
    """Beside the server that works on it."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        count: int = connection.execute(sql, values).get
        return count
    finally:
        connection.close()


def steps_sqlite(database: Path, sql: str, values: tuple[Value, ...]) -> tuple[int, int]:
    """How many steps SQLite's machine takes for a statement, and how many of them go through a table row by row."""
    seen: list[dict[str, Any]] = []
    connection = open_writer(database)
    try:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, seen.append)
        # Twice: what is only done at the first time is not counted.
        for _ in range(2):
            connection.execute("SAVEPOINT counted")
            assert connection.execute(sql, values).fetchall()
            connection.execute("ROLLBACK TO counted")
            connection.execute("RELEASE counted")
    finally:
        connection.close()
    counts = [event["stmt_status"] for event in seen if event["sql"] == sql][-1]
    return counts["SQLITE_STMTSTATUS_VM_STEP"], counts["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
