"""What a transition sees of the database while it runs."""

import os
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import msgspec

from innkeeper.server.model.events import Event
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.postgresql.pool import Connection
from innkeeper.server.storage.rows import Value, to_us

Row = tuple[Any, ...]
INSERT_EVENT: Final = "INSERT INTO audit_events (event_key, at, type, record) VALUES ($1, $2, $3, $4)"
INSERT_CHANGE: Final = (
    "INSERT INTO registry_changes (epoch, kind, id)"
    " SELECT coalesce(max(epoch), 0) + 1, $1, $2 FROM registry_changes"
)
_process: Final = os.urandom(6)
_event_numbers: Final = count()


class Transaction:
    """Given to every transition; `is_retry` says that an earlier try may have been committed already."""

    __slots__ = ("_connection", "_counters", "is_retry")

    def __init__(self, connection: Connection, counters: Counters, *, is_retry: bool) -> None:
        self._connection = connection
        self._counters = counters
        self.is_retry = is_retry

    async def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        self._counters.statements += 1
        return [tuple(record.values()) for record in await self._connection.fetch(sql, *values)]

    async def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """At most one row is expected."""
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def change(self, sql: str, values: Sequence[Value] = ()) -> int:
        """How many rows it changed."""
        self._counters.statements += 1
        status = await self._connection.execute(sql, *values)
        return int(status.rpartition(" ")[2])

    async def change_each(self, sql: str, many: Sequence[Sequence[Value]]) -> int:
        """How many rows one statement changed for all these values, sent in one go."""
        self._counters.statements += len(many)
        return len(await self._connection.fetchmany(f"{sql} RETURNING 1", many))

    async def record(self, events: Sequence[Event]) -> None:
        """Audit rows of this transition."""
        for event in events:
            await self.change(INSERT_EVENT, event_columns(event))

    async def note_change(self, kind: str, record_id: str) -> None:
        """Tells the registries of this and other processes which record moved."""
        await self.change(INSERT_CHANGE, (kind, record_id))


def event_columns(event: Event) -> tuple[bytes, int, str, bytes]:
    """Of its audit row. The key is the instant, then what makes it unique among processes."""
    at = to_us(event.at)
    key = at.to_bytes(8, "big") + _process + next(_event_numbers).to_bytes(6, "big")
    return key, at, event.type, msgspec.json.encode(event)
