"""What a transition of several statements sees of the database while it runs."""

from collections.abc import Sequence
from typing import Final

from innkeeper.server.model.events import Event
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.postgresql.audit import AuditRows, event_columns
from innkeeper.server.storage.postgresql.pool import Connection
from innkeeper.server.storage.postgresql.statements import Row, Statements
from innkeeper.server.storage.registry_history import new_tag
from innkeeper.server.storage.rows import Value

__all__ = ["Row", "Transaction"]

INSERT_EVENT: Final = "INSERT INTO audit_events (event_key, at, type, record) VALUES ($1, $2, $3, $4)"
# A retry after a lost answer finds its own row and leaves it as it is.
INSERT_EVENT_ONCE: Final = f"{INSERT_EVENT} ON CONFLICT (event_key) DO NOTHING"
INSERT_CHANGE: Final = (
    "INSERT INTO registry_changes (epoch, kind, id, tag)"
    " SELECT coalesce(max(epoch), 0) + 1, $1, $2, $3 FROM registry_changes"
)


class Transaction(Statements):
    """All of its statements happen together or not at all."""

    __slots__ = ("is_undone",)

    def __init__(self, connection: Connection, counters: Counters, *, is_retry: bool) -> None:
        super().__init__(connection, counters, is_retry=is_retry)
        self.is_undone = False

    def undo(self) -> None:
        """Nothing of it shall have happened; what it answers is answered all the same."""
        self.is_undone = True

    async def change_each(self, sql: str, many: Sequence[Sequence[Value]]) -> int:
        """How many rows one statement changed for all these values, sent in one go."""
        self._counters.statements += len(many)
        return len(await self._connection.fetchmany(f"{sql} RETURNING 1", many))

    async def record(self, events: Sequence[Event]) -> None:
        """Audit rows of this transition."""
        for event in events:
            await self.change(INSERT_EVENT, event_columns(event))

    async def record_once(self, audit: AuditRows) -> None:
        """The same of a transition that does everything again when it cannot know whether it was done."""
        for columns in audit.columns:
            await self.change(INSERT_EVENT_ONCE, columns)

    async def note_change(self, kind: str, record_id: str) -> None:
        """Tells the registries of this and other processes which record moved."""
        await self.change(INSERT_CHANGE, (kind, record_id, new_tag()))
