"""Reading: every read is one statement, or several that see the same state."""

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Final, TypeVar

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.postgresql.faults import LOST, UNWILLING, NotConnected, translated
from innkeeper.server.storage.postgresql.pool import Connection, Pool
from innkeeper.server.storage.postgresql.texts import can_be_held
from innkeeper.server.storage.postgresql.troubles import Troubles
from innkeeper.server.storage.rows import Value

T = TypeVar("T")
Row = tuple[Any, ...]
PATIENCE_S: Final = 4.5
SCAN_S: Final = 60.0


class Reader:
    """On the primary: what has been acknowledged is seen by every read that starts afterwards."""

    def __init__(self, pool: Pool, counters: Counters, troubles: Troubles | None = None) -> None:
        self._pool = pool
        self._troubles = troubles or Troubles()
        self._counters = counters

    async def row(self, sql: str, values: Sequence[Value]) -> Row | None:
        """A point read."""
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def rows(self, sql: str, values: Sequence[Value], *, may_last_s: float = 0) -> list[Row]:
        self._counters.reads += 1
        if not can_be_held(values):
            return []

        async def read(connection: Connection) -> list[Row]:
            return [tuple(record.values()) for record in await connection.fetch(sql, *values)]

        return await self._tried(read, may_last_s=may_last_s)

    async def scan(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """For what may be long."""
        return await self.rows(sql, values, may_last_s=SCAN_S)

    async def snapshot(self, *queries: tuple[str, Sequence[Value]]) -> list[list[Row]]:
        """Several queries that see the same state."""
        self._counters.reads += 1

        async def read(connection: Connection) -> list[list[Row]]:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [
                    [tuple(record.values()) for record in await connection.fetch(sql, *values)]
                    for sql, values in queries
                ]

        return await self._tried(read, may_last_s=SCAN_S)

    async def _tried(self, read: Callable[[Connection], Awaitable[T]], *, may_last_s: float = 0) -> T:
        """Once more when the connection was stale: nothing can happen twice by reading twice."""
        deadline = monotonic() + PATIENCE_S
        is_second = False
        while True:
            try:
                async with self._pool.connection(deadline, may_last_s=may_last_s) as connection:
                    return await read(connection)
            except (NotConnected, *LOST, *UNWILLING) as error:
                self._troubles.note()
                if is_second or (isinstance(error, NotConnected) and not error.is_momentary):
                    raise translated(error) from error
                is_second = True
            except Exception as error:
                raise translated(error) from error
