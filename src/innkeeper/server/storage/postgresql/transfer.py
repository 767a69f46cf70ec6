"""A PostgreSQL database as one end of a transfer."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from time import time_ns
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from innkeeper.server.model.database_url import place_of
from innkeeper.server.model.events import Event
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql import hosts
from innkeeper.server.storage.postgresql.demands import refuse_several_poolers
from innkeeper.server.storage.postgresql.faults import translated
from innkeeper.server.storage.postgresql.pool import SESSION, Connection
from innkeeper.server.storage.postgresql.schema import COUNT_TABLES, CREATE_LEDGER, HAS_TABLE, PLACEHOLDERS
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.rows import to_us
from innkeeper.server.storage.schema import marks, migrations
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.schema.migrations import Migration, SchemaRefused
from innkeeper.server.storage.transfer import progress, statements
from innkeeper.server.storage.transfer.interface import TransferConflict
from innkeeper.server.storage.transfer.records import Position, Positions, Row, Table

CONNECT_S: Final = 10.0
_PARAMETER: Final = re.compile(r"\?(\d+)")
_COLUMNS: Final = (
    "SELECT column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name = $1"
)
_KEY: Final = (
    "SELECT k.column_name FROM information_schema.key_column_usage k"
    " JOIN information_schema.table_constraints c"
    " ON c.constraint_schema = k.constraint_schema AND c.constraint_name = k.constraint_name"
    " WHERE c.constraint_type = 'PRIMARY KEY' AND k.table_schema = current_schema() AND k.table_name = $1"
    " ORDER BY k.ordinal_position"
)
# Nodes ask the database every second, so one that runs has a connection. What else other roles do is nobody's business.
_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND (usename = current_user AND backend_type = 'client backend' OR application_name = $1)"
)
_TIME: Final = "SELECT clock_timestamp()"
_DROP: Final = "DROP TABLE IF EXISTS {table}"


async def open_snapshot(url: str, *, pooler: bool) -> "PostgresEnd":
    """To be read only, as it is now, whatever is written meanwhile. A standby that is named alone is good enough."""
    if pooler:
        refuse_several_poolers(url)
    end = PostgresEnd(url, await _connected(url, pooler=pooler, session=SessionAttribute.any))
    try:
        async with _translating():
            await end.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await end.connection.fetchval("SELECT 1 FROM information_schema.tables LIMIT 1")
    except BaseException:
        end.connection.terminate()
        raise
    return end


async def open_alone(url: str, *, pooler: bool) -> "PostgresEnd":
    """To be written, by nobody else: refused while nodes are connected, and through a pooler, which hides them."""
    if pooler:
        raise StoreUnavailable(
            f"{place_of(url)} is a pooler: name the database itself for this command, in INNKEEPER_DATABASE__URL and"
            " with INNKEEPER_DATABASE__POOLER=false, since only there it is seen whether nodes are connected"
        )
    end = PostgresEnd(url, await _connected(url, pooler=False, session=SessionAttribute.read_write))
    try:
        await end.require_alone()
    except BaseException:
        end.connection.terminate()
        raise
    return end


class PostgresEnd:
    """See `transfer.interface.End`."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.place = place_of(url)
        self.connection = connection

    async def applied(self) -> tuple[tuple[int, str], ...] | None:
        if not await self._has(statements.LIST):
            return None
        return tuple([(number, checksum) for number, checksum in await self._fetched(statements.APPLIED)])

    async def mark(self) -> Mark | None:
        found = await self._fetched(statements.MARK) if await self._has(statements.LIST) else []
        return marks.parse(found[0][0]) if found else None

    async def tables(self) -> tuple[Table, ...]:
        names = [name for name in migrations.tables_of(migrations.load()) if await self._has(name)]
        return tuple([await self._table(name) for name in sorted(names)])

    async def count(self, table: Table) -> int:
        [(count,)] = await self._fetched(statements.count(table))
        return int(count)

    async def rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        return await self._fetched(statements.next_rows(table, after, limit), *(after or ()))

    async def time(self) -> datetime | None:
        [(now,)] = await self._fetched(_TIME)
        assert isinstance(now, datetime)
        return now

    async def damage(self) -> str | None:
        return None

    async def create(self, migrations_: Sequence[Migration], mark: Mark) -> None:
        async with self._changing():
            for name in (*migrations.tables_of(migrations.load()), statements.LIST, statements.POSITIONS):
                await self._execute(_DROP.format(table=name))
            if await self.connection.fetchval(COUNT_TABLES):
                raise SchemaRefused(
                    "the database has tables that are not this Innkeeper's: give it one of its own"
                )
            await self._execute(CREATE_LEDGER)
            await self._apply(migrations_, time_ns() // 1000)
            await self._execute(statements.create_positions(PLACEHOLDERS))
            for name in migrations.tables_of(migrations_):
                await self._execute(statements.empty(name))
                await self._execute(statements.ADD_POSITION, *progress.start(name))
            await self._write_mark(mark)

    async def positions(self) -> Positions:
        if not await self._has(statements.POSITIONS):
            return {}
        return progress.positions(await self._fetched(statements.READ_POSITIONS))

    async def add(self, table: Table, rows: Sequence[Row], *, before: Position, after: Position) -> None:
        async with self._changing():
            moved = await self._execute(
                statements.MOVE_ON, table.name, *progress.columns(after), before.row_count
            )
            if moved != "UPDATE 1":
                raise TransferConflict(f"somebody else is bringing something into {self.place}")
            await self.connection.copy_records_to_table(table.name, records=rows, columns=table.columns)

    async def require_alone(self) -> int:
        async with _translating():
            others = await self.connection.fetchval(_OTHERS, SESSION["application_name"])
        if others:
            raise StoreUnavailable(
                f"{self.place} has {others} other connections: stop every node and every command that uses it"
            )
        return 0

    async def set_mark(
        self, mark: Mark | None, *, expected: Mark | None, alone_since: int | None = None
    ) -> None:
        async with self._changing():
            if alone_since is not None:
                await self.require_alone()
            if await self.mark() != expected:
                raise TransferConflict(f"somebody else has marked {self.place} in this moment")
            await self._execute(statements.UNMARK)
            if mark is not None:
                await self._write_mark(mark)

    async def complete(
        self,
        migrations_: Sequence[Migration],
        changes: Sequence[str],
        events: Sequence[Event],
        *,
        now: datetime,
    ) -> None:
        async with self._changing():
            await self._apply(migrations_, to_us(now))
            for change in changes:
                await self._execute(change)
            await Transaction(self.connection, Counters(), is_retry=False).record(events)
            await self._execute(statements.DROP_POSITIONS)
            await self._execute(statements.UNMARK)

    async def close(self) -> None:
        try:
            await self.connection.close(timeout=CONNECT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.connection.terminate()

    async def _table(self, name: str) -> Table:
        columns = [column for (column,) in await self._fetched(_COLUMNS, name)]
        key = [column for (column,) in await self._fetched(_KEY, name)]
        return Table(name=name, columns=tuple(sorted(columns)), key=tuple(key))

    async def _has(self, table: str) -> bool:
        return bool(await self._fetched(HAS_TABLE, table))

    async def _apply(self, pending: Sequence[Migration], now_us: int) -> None:
        for migration in pending:
            for statement in migration.statements(PLACEHOLDERS):
                await self._execute(statement)
            row = (migration.number, migration.name, migration.checksum, now_us)
            await self._execute(statements.ADD_TO_LIST, *row)

    async def _write_mark(self, mark: Mark) -> None:
        row = (marks.NUMBER, mark.kind, mark.text, time_ns() // 1000)
        await self._execute(statements.ADD_TO_LIST, *row)

    async def _execute(self, sql: str, *values: Any) -> str:
        return await self.connection.execute(_in_its_words(sql), *values)

    async def _fetched(self, sql: str, *values: Any) -> list[Any]:
        async with _translating():
            found = await self.connection.fetch(_in_its_words(sql), *values)
        return [tuple(record.values()) for record in found]

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        async with _translating(), self.connection.transaction(isolation="serializable"):
            yield


async def _connected(url: str, *, pooler: bool, session: SessionAttribute) -> Connection:
    async with _translating():
        # Of several the one that takes writes: what another one has not got yet would be missing.
        session = SessionAttribute.read_write if hosts.are_several(url) else session
        return await hosts.connect(
            url,
            timeout=CONNECT_S,
            statement_cache_size=0 if pooler else 100,
            target_session_attrs=SessionAttribute.any if pooler else session,
        )


def _in_its_words(sql: str) -> str:
    return _PARAMETER.sub(r"$\1", sql)


@asynccontextmanager
async def _translating() -> AsyncIterator[None]:
    try:
        yield
    except (TransferConflict, SchemaRefused, StoreUnavailable):
        raise
    except asyncpg.SerializationError as error:
        raise TransferConflict("somebody else has changed the same database in this moment") from error
    except Exception as error:
        raise translated(error) from error
