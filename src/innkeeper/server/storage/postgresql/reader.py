"""Reading: every read is one statement, or several that see the same state."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.postgresql.faults import LOST, translated
from innkeeper.server.storage.postgresql.pool import Connection, Pool
from innkeeper.server.storage.rows import Value

T = TypeVar("T")
Row = tuple[Any, ...]
_TRIES: Final = 2


class Reader:
    """On the primary: what has been acknowledged is seen by every read that starts afterwards."""

    def __init__(self, pool: Pool, counters: Counters) -> None:
        self._pool = pool
        self._counters = counters

    async def row(self, sql: str, values: Sequence[Value]) -> Row | None:
        """A point read."""
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def rows(self, sql: str, values: Sequence[Value]) -> list[Row]:
        self._counters.reads += 1

        async def read(connection: Connection) -> list[Row]:
            return [tuple(record.values()) for record in await connection.fetch(sql, *values)]

        return await self._tried(read)

    async def scan(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """For what may be long."""
        return await self.rows(sql, values)

    async def snapshot(self, *queries: tuple[str, Sequence[Value]]) -> list[list[Row]]:
        """Several queries that see the same state."""
        self._counters.reads += 1

        async def read(connection: Connection) -> list[list[Row]]:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [
                    [tuple(record.values()) for record in await connection.fetch(sql, *values)]
                    for sql, values in queries
                ]

        return await self._tried(read)

    async def _tried(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Once more when the connection was stale: nothing can happen twice by reading twice."""
        for number in range(_TRIES):
            try:
                async with self._pool.connection() as connection:
                    return await read(connection)
            except LOST as error:
                if number + 1 == _TRIES:
                    raise translated(error) from error
            except Exception as error:
                raise translated(error) from error
        raise AssertionError("the last try answers or raises")
