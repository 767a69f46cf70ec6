"""Leases, in memory."""

from datetime import datetime, timedelta
from functools import partial

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.memory.tables import LeaseRow, Tables
from innkeeper.server.storage.outcomes import Held, HeldElsewhere


class MemoryLeases:
    """See `interface.Leases`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def take(
        self, name: str, *, holder: Attempt, now: datetime, lasts: timedelta
    ) -> Held | HeldElsewhere:
        return self._tables.transition(partial(self._take, name, holder, now, lasts))

    async def release(self, name: str, *, holder: Attempt) -> None:
        self._tables.transition(partial(self._release, name, holder))

    def _take(
        self, name: str, holder: Attempt, now: datetime, lasts: timedelta, is_retry: bool
    ) -> Held | HeldElsewhere:
        row = self._tables.leases.get(name)
        if row is not None and row.holder != holder and row.expires_at > now:
            return HeldElsewhere(until=row.expires_at)
        self._tables.leases[name] = LeaseRow(holder=holder, expires_at=now + lasts)
        return Held(until=now + lasts)

    def _release(self, name: str, holder: Attempt, is_retry: bool) -> None:
        row = self._tables.leases.get(name)
        if row is not None and row.holder == holder:
            del self._tables.leases[name]
