"""Statements on one connection, each durable by itself: what most transitions are made of."""

from collections.abc import Sequence
from typing import Any, Final

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.postgresql.pool import Connection
from innkeeper.server.storage.postgresql.texts import refuse_unheld
from innkeeper.server.storage.rows import Value

Row = tuple[Any, ...]
# Any commit: once it is durable, on the standby too, so is everything that was committed before it.
MAKE_SURE: Final = "UPDATE instance SET probed_at = probed_at WHERE id = 1"


class Statements:
    """Given to every transition; `is_retry` says that an earlier try may have been committed already."""

    __slots__ = ("_connection", "_counters", "is_retry")

    def __init__(self, connection: Connection, counters: Counters, *, is_retry: bool) -> None:
        self._connection = connection
        self._counters = counters
        self.is_retry = is_retry

    async def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        self._counters.statements += 1
        refuse_unheld(values)
        return [tuple(record.values()) for record in await self._connection.fetch(sql, *values)]

    async def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """At most one row is expected."""
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def batch(self, sql: str, arrays: Sequence[Sequence[Value]]) -> list[Row]:
        """Like `rows`, for what is asked many times at once."""
        self._counters.statements += 1
        return [tuple(record.values()) for record in await self._connection.fetch(sql, *arrays)]

    async def change(self, sql: str, values: Sequence[Value] = ()) -> int:
        """How many rows it changed."""
        self._counters.statements += 1
        refuse_unheld(values)
        status = await self._connection.execute(sql, *values)
        return int(status.rpartition(" ")[2])

    async def make_sure(self) -> None:
        """Before it is said that something has ended already: what is seen may not have reached the standby.

        A commit that waited for it when the primary crashed is seen by everybody once that has started again.
        """
        await self.change(MAKE_SURE)
