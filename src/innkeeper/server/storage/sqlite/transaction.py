"""What a transition sees of the database while the writer runs it."""

import os
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import apsw
import msgspec

from innkeeper.server.model.events import Event
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.registry_history import new_tag
from innkeeper.server.storage.rows import Value, to_us

Row = tuple[Any, ...]
_INSERT_EVENT: Final = "INSERT INTO audit_events (event_key, at, type, record) VALUES (?1, ?2, ?3, ?4)"
_INSERT_CHANGE: Final = (
    "INSERT INTO registry_changes (epoch, kind, id, tag)"
    " SELECT coalesce(max(epoch), 0) + 1, ?1, ?2, ?3 FROM registry_changes"
)


class Transaction:
    """Given to every transition; `is_retry` says that an earlier try may have been committed already."""

    __slots__ = ("_connection", "_counters", "_event_numbers", "_execute", "_process", "is_retry")

    def __init__(self, connection: apsw.Connection, counters: Counters) -> None:
        self._connection = connection
        self._execute = connection.cursor().execute
        self._counters = counters
        self._process = os.urandom(6)
        self._event_numbers = count()
        self.is_retry = False

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        self._counters.statements += 1
        return self._execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """At most one row is expected; the statement is run to its end all the same."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def change(self, sql: str, values: Sequence[Value] = ()) -> int:
        """How many rows it changed."""
        self._counters.statements += 1
        self._execute(sql, values)
        return self._connection.changes()

    def record(self, events: Sequence[Event]) -> None:
        """Audit rows of this transition."""
        for event in events:
            at = to_us(event.at)
            key = at.to_bytes(8, "big") + self._process + next(self._event_numbers).to_bytes(6, "big")
            self.change(_INSERT_EVENT, (key, at, event.type, msgspec.json.encode(event)))

    def note_change(self, kind: str, record_id: str) -> None:
        """Tells the registries of this and other processes which record moved."""
        self.change(_INSERT_CHANGE, (kind, record_id, new_tag()))
