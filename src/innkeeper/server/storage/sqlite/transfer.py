"""A SQLite file as one end of a transfer, and the form of every backup."""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from time import time_ns
from typing import Any, Final, TypeVar

import apsw

from innkeeper.server.model.events import Event
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.rows import to_us
from innkeeper.server.storage.schema import marks, migrations
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.schema.migrations import Migration
from innkeeper.server.storage.sqlite.connection import (
    CREATE_LIST,
    PLACEHOLDERS,
    apply,
    begin,
    has_table,
    open_reader,
    open_writer,
    prepare_file,
)
from innkeeper.server.storage.sqlite.faults import translated
from innkeeper.server.storage.sqlite.serving_lock import ServingLock, refuse_network_file_system
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.transfer import progress, statements
from innkeeper.server.storage.transfer.interface import TransferConflict
from innkeeper.server.storage.transfer.records import Position, Positions, Row, Table

T = TypeVar("T")
_CACHE_KIB: Final = 64 * 1024
_NAMES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
_COLUMNS: Final = "SELECT name, pk FROM pragma_table_info(?1) ORDER BY name"


def open_snapshot(path: Path) -> "SqliteEnd":
    """To be read only, as it is now, whatever is written meanwhile."""
    _require_file(path)
    try:
        connection = open_reader(path)
        connection.execute("BEGIN")
        connection.execute(_NAMES).fetchall()
    except apsw.Error as error:
        raise translated(error) from error
    return SqliteEnd(path, connection, None)


def open_alone(path: Path, *, may_create: bool) -> "SqliteEnd":
    """To be written, by nobody else: a process that serves the file is refused meanwhile, and refuses this."""
    refuse_network_file_system(path)
    if not may_create:
        _require_file(path)
    prepare_file(path, may_create=may_create)
    lock = ServingLock(path)
    try:
        return SqliteEnd(path, open_writer(path), lock)
    except apsw.Error as error:
        lock.release()
        raise translated(error) from error


def open_new(path: Path) -> "SqliteEnd":
    """A file that does not exist yet, and that is worth nothing before `close` has put it on disk."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.pragma("journal_mode", "MEMORY")
    connection.pragma("synchronous", "OFF")
    return SqliteEnd(path, connection, None, is_new=True)


class SqliteEnd:
    """See `transfer.interface.End`."""

    def __init__(
        self, path: Path, connection: apsw.Connection, lock: ServingLock | None, *, is_new: bool = False
    ) -> None:
        # Rows come in the order of their key, which is no order at all for the indices beside it.
        connection.pragma("cache_size", -_CACHE_KIB)
        self.place = str(path)
        self._path = path
        self._connection = connection
        self._lock = lock
        self._is_new = is_new

    async def applied(self) -> tuple[tuple[int, str], ...] | None:
        if not await self._run(lambda: self._has(statements.LIST)):
            return None
        return tuple((number, checksum) for number, checksum in await self._fetched(statements.APPLIED))

    async def mark(self) -> Mark | None:
        return await self._run(self._mark)

    async def tables(self) -> tuple[Table, ...]:
        names = [
            name
            for (name,) in await self._fetched(_NAMES)
            if name not in (statements.LIST, statements.POSITIONS)
        ]
        return tuple([await self._table(name) for name in names])

    async def count(self, table: Table) -> int:
        [(count,)] = await self._fetched(statements.count(table))
        return int(count)

    async def rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        return await self._fetched(statements.next_rows(table, after, limit), after or ())

    async def time(self) -> datetime | None:
        return None

    async def damage(self) -> str | None:
        try:
            [(found,), *_] = await self._fetched("PRAGMA integrity_check(1)")
        except StoreUnavailable as error:
            return str(error)
        return None if found == "ok" else str(found)

    async def create(self, migrations_: Sequence[Migration], mark: Mark) -> None:
        def run() -> None:
            for (name,) in self._connection.execute(_NAMES).fetchall():
                self._connection.execute(f"DROP TABLE {name}")
            self._connection.execute(CREATE_LIST)
            apply(self._connection, migrations_, time_ns() // 1000)
            self._connection.execute(statements.create_positions(PLACEHOLDERS))
            for name in migrations.tables_of(migrations_):
                self._connection.execute(statements.empty(name))
                self._connection.execute(statements.ADD_POSITION, progress.start(name))
            self._write_mark(mark)

        await self._changed(run)

    async def positions(self) -> Positions:
        if not await self._run(lambda: self._has(statements.POSITIONS)):
            return {}
        return progress.positions(await self._fetched(statements.READ_POSITIONS))

    async def add(self, table: Table, rows: Sequence[Row], *, before: Position, after: Position) -> None:
        def run() -> None:
            self._connection.execute(
                statements.MOVE_ON, (table.name, *progress.columns(after), before.row_count)
            )
            if self._connection.changes() != 1:
                raise TransferConflict(f"somebody else is bringing something into {self.place}")
            self._connection.executemany(statements.insert(table), rows)

        await self._changed(run)

    async def require_alone(self) -> int:
        return await self._run(self._commits_of_others)

    async def set_mark(
        self, mark: Mark | None, *, expected: Mark | None, alone_since: int | None = None
    ) -> None:
        def run() -> None:
            if alone_since is not None and self._commits_of_others() != alone_since:
                raise TransferConflict(
                    f"somebody else has written to {self.place} in this moment: let no command run, and try again"
                )
            if self._mark() != expected:
                raise TransferConflict(f"somebody else has marked {self.place} in this moment")
            self._connection.execute(statements.UNMARK)
            if mark is not None:
                self._write_mark(mark)

        await self._changed(run)

    async def complete(
        self,
        migrations_: Sequence[Migration],
        changes: Sequence[str],
        events: Sequence[Event],
        *,
        now: datetime,
    ) -> None:
        def run() -> None:
            apply(self._connection, migrations_, to_us(now))
            for change in changes:
                self._connection.execute(change)
            Transaction(self._connection, Counters()).record(events)
            self._connection.execute(statements.DROP_POSITIONS)
            self._connection.execute(statements.UNMARK)

        await self._changed(run)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._connection.close(True)
        if self._is_new:
            _onto_disk(self._path)
        if self._lock is not None:
            self._lock.release()

    async def _table(self, name: str) -> Table:
        columns = await self._fetched(_COLUMNS, (name,))
        key = sorted((place, column) for column, place in columns if place)
        return Table(
            name=name,
            columns=tuple(column for column, _ in columns),
            key=tuple(column for _, column in key),
        )

    def _commits_of_others(self) -> int:
        return int(str(self._connection.execute("PRAGMA data_version").get))

    def _has(self, table: str) -> bool:
        return has_table(self._connection, table)

    def _mark(self) -> Mark | None:
        found = self._connection.execute(statements.MARK).fetchall() if self._has(statements.LIST) else []
        return marks.parse(str(found[0][0])) if found else None

    def _write_mark(self, mark: Mark) -> None:
        self._connection.execute(
            statements.ADD_TO_LIST, (marks.NUMBER, mark.kind, mark.text, time_ns() // 1000)
        )

    async def _fetched(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return await self._run(lambda: self._connection.execute(sql, values).fetchall())

    async def _changed(self, change: Callable[[], None]) -> None:
        def run() -> None:
            begin(self._connection)
            try:
                change()
            except BaseException:
                # A full disk has rolled back already.
                if not self._connection.get_autocommit():
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

        await self._run(run)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except apsw.Error as error:
            raise translated(error) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise StoreUnavailable(f"there is no database at {path}")


def _onto_disk(path: Path) -> None:
    for name, flags in ((path, os.O_RDWR), (path.parent, os.O_RDONLY)):
        if name.is_dir() and os.name == "nt":
            continue
        descriptor = os.open(name, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
