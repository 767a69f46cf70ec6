"""Reading: point reads at once on the caller's thread, scans on a thread of their own.

Every statement is run to its end before anything else happens: one unfinished cursor would pin an old
snapshot, and a token revoked meanwhile would live on.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, local
from typing import Any

import apsw

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.rows import Value
from innkeeper.server.storage.sqlite.connection import open_reader
from innkeeper.server.storage.sqlite.faults import translated

Row = tuple[Any, ...]


class _ThreadConnection(local):
    """Each thread reads on its own connection."""

    cursor: apsw.Cursor | None = None


class Reader:
    """One connection for each thread that reads, and one thread for scans."""

    def __init__(self, path: Path, counters: Counters) -> None:
        self._path = path
        self._counters = counters
        self._here = _ThreadConnection()
        self._opened: list[apsw.Connection] = []
        self._lock = Lock()
        self._is_closed = False
        self._scans = ThreadPoolExecutor(max_workers=1, thread_name_prefix="innkeeper-sqlite-scans")
        # At once: while a reader is connected, a writer that gives up leaves log and index in place for reading.
        self._open()

    def row(self, sql: str, values: Sequence[Value]) -> Row | None:
        """A point read. It never suspends."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def rows(self, sql: str, values: Sequence[Value]) -> list[Row]:
        self._counters.reads += 1
        cursor = self._here.cursor or self._open()
        try:
            return cursor.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise translated(error) from error

    async def scan(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """For what may be long: the event loop goes on meanwhile."""
        return (await self.snapshot((sql, values)))[0]

    async def snapshot(self, *queries: tuple[str, Sequence[Value]]) -> list[list[Row]]:
        """Several queries that see the same state."""
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        self._counters.reads += 1
        return await asyncio.get_running_loop().run_in_executor(self._scans, self._snapshot, queries)

    def close(self) -> None:
        self._is_closed = True
        self._scans.shutdown()
        for connection in self._opened:
            connection.close(True)

    def _snapshot(self, queries: Sequence[tuple[str, Sequence[Value]]]) -> list[list[Row]]:
        cursor = self._here.cursor or self._open()
        try:
            cursor.execute("BEGIN")
            try:
                return [cursor.execute(sql, values).fetchall() for sql, values in queries]
            finally:
                cursor.execute("ROLLBACK")
        except apsw.Error as error:
            raise translated(error) from error

    def _open(self) -> apsw.Cursor:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        try:
            connection = open_reader(self._path)
        except apsw.Error as error:
            raise translated(error) from error
        with self._lock:
            self._opened.append(connection)
        cursor = self._here.cursor = connection.cursor()
        return cursor
