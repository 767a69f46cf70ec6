"""One end of a transfer: a database that is opened for this alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from innkeeper.server.model.events import Event
from innkeeper.server.storage.schema.marks import Mark
from innkeeper.server.storage.schema.migrations import Migration
from innkeeper.server.storage.transfer.records import Position, Positions, Row, Table


class TransferConflict(Exception):
    """Somebody else is carrying something into the same database."""


class End(Protocol):
    """Every writing method is one transaction. All may raise `StoreUnavailable`."""

    place: str
    """Where it is, for people: without a password."""

    async def applied(self) -> tuple[tuple[int, str], ...] | None:
        """Numbers and checksums of its migrations; None for an empty database."""
        ...

    async def mark(self) -> Mark | None: ...

    async def tables(self) -> tuple[Table, ...]:
        """All that hold anything of ours, but for the list of migrations."""
        ...

    async def count(self, table: Table) -> int: ...

    async def rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """The next rows in the order of the key."""
        ...

    async def time(self) -> datetime | None:
        """What the database's own clock says; None where it has none but the machine's."""
        ...

    async def damage(self) -> str | None:
        """What the database engine itself finds broken in its file, where it can tell."""
        ...

    async def create(self, migrations: Sequence[Migration], mark: Mark) -> None:
        """Our tables afresh and empty, whatever was there, with a position for each."""
        ...

    async def positions(self) -> Positions:
        """How far each table has come here."""
        ...

    async def add(self, table: Table, rows: Sequence[Row], *, before: Position, after: Position) -> None:
        """Inserts them and moves the position. Raises `TransferConflict` when it was not `before`."""
        ...

    async def require_alone(self) -> int:
        """Raises `StoreUnavailable` while others are connected, where that can be seen.

        The number is another one after others have written, where only that can be seen.
        """
        ...

    async def set_mark(
        self, mark: Mark | None, *, expected: Mark | None, alone_since: int | None = None
    ) -> None:
        """Raises `TransferConflict` when it was not `expected`, or others have written since `require_alone`."""
        ...

    async def complete(
        self,
        migrations: Sequence[Migration],
        changes: Sequence[str],
        events: Sequence[Event],
        *,
        now: datetime,
    ) -> None:
        """Applies what the schema still lacks, then `changes`, forgets the positions and takes the mark away."""
        ...

    async def close(self) -> None: ...
