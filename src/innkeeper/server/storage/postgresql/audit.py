"""Audit rows: what transitions write of them, and reading them."""

import os
from collections.abc import Sequence
from itertools import count
from typing import Final

import msgspec

from innkeeper.server.model.events import Event
from innkeeper.server.storage.audit_row import AuditRow
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.rows import from_us, to_us

LIST: Final = "SELECT at, type, record FROM audit_events ORDER BY event_key"
EventColumns = tuple[bytes, int, str, bytes]
_event_numbers: Final = count()


class _Process:
    """What tells the keys of one process from those of another."""

    mark = os.urandom(6)

    @classmethod
    def renew(cls) -> None:
        """A worker that is forked must not go on with its parent's."""
        cls.mark = os.urandom(6)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Process.renew)


class AuditRows:
    """The rows of a transition that may be tried more than once: every try writes the same ones."""

    __slots__ = ("_columns", "_events")

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._columns: tuple[EventColumns, ...] | None = None

    @property
    def columns(self) -> tuple[EventColumns, ...]:
        """Made when they are first wanted: most transitions have events for outcomes that do not happen."""
        if self._columns is None:
            self._columns = tuple(event_columns(event) for event in self._events)
        return self._columns


def event_columns(event: Event) -> EventColumns:
    """Of its audit row. The key is the instant, then what makes it unique among processes."""
    at = to_us(event.at)
    key = at.to_bytes(8, "big") + _Process.mark + next(_event_numbers).to_bytes(6, "big")
    return key, at, event.type, msgspec.json.encode(event)


async def audit_rows(reader: Reader) -> tuple[AuditRow, ...]:
    """Every audit row, oldest first."""
    rows = await reader.scan(LIST)
    return tuple(AuditRow(at=from_us(at), type=kind, record=record) for at, kind, record in rows)
