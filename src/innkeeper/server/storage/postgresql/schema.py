"""Bringing the schema up to date: all that is missing in one transaction, and one node of many does it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import asyncpg

from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql.faults import COLLISIONS, translated
from innkeeper.server.storage.postgresql.pool import Connection, Pool
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.migrations import SchemaRefused

PLACEHOLDERS: Final[Mapping[str, str]] = {
    "bytes": "BYTEA",
    "clustered": "",
    # Room on every page, so that a new version of a row stays beside the old one and no index has to know.
    "hot": "WITH (fillfactor = 85)",
}
# Somebody else made the same table first: their work is seen by the next try. A table is a type, too, and it is one or
# the other that PostgreSQL finds taken.
_OVERTAKEN: Final = (
    *COLLISIONS,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateColumnError,
)
_PATIENCE_S: Final = 60.0
_LONGEST_S: Final = 3600.0
# A change of a table waits for everybody who reads it, and everybody else waits behind it: a backup under way would
# stop the whole server. So it gives way, and comes again.
LOCK_WAIT: Final = "SET LOCAL lock_timeout = '500ms'"
_PAUSE_S: Final = 0.2
HAS_TABLE: Final = (
    "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
)
COUNT_TABLES: Final = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"
APPLIED: Final = "SELECT number, checksum FROM schema_migrations ORDER BY number"
CREATE_LEDGER: Final = (
    "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
    " checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
)
NOTE_APPLIED: Final = (
    "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)"
)


async def migrate(pool: Pool) -> None:
    """Raises SchemaRefused when this version must not touch the database, and then has changed nothing."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            async with pool.connection(deadline, may_last_s=_LONGEST_S) as connection:
                if await connection.fetchval(HAS_TABLE, "schema_migrations") and not await _pending(
                    connection
                ):
                    return
                async with connection.transaction(isolation="serializable"):
                    await connection.execute(LOCK_WAIT)
                    await _apply(connection)
                return
        except _OVERTAKEN as error:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    "the schema could not be brought up to date: another node did not finish it, or a long transaction"
                    " (a backup?) holds a table"
                ) from error
            await asyncio.sleep(_PAUSE_S)
        except (SchemaRefused, StoreUnavailable):
            raise
        except Exception as error:
            raise translated(error) from error


async def _apply(connection: Connection) -> None:
    if not await connection.fetchval(HAS_TABLE, "schema_migrations"):
        if await connection.fetchval(COUNT_TABLES):
            raise SchemaRefused("the database has tables, but not Innkeeper's: give it one of its own")
        await connection.execute(CREATE_LEDGER)
    for migration in await _pending(connection):
        for statement in migration.statements(PLACEHOLDERS):
            await connection.execute(statement)
        now_us = time.time_ns() // 1000
        await connection.execute(NOTE_APPLIED, migration.number, migration.name, migration.checksum, now_us)


async def _pending(connection: Connection) -> tuple[migrations.Migration, ...]:
    rows = await connection.fetch(APPLIED)
    return migrations.pending([(row["number"], row["checksum"]) for row in rows])
