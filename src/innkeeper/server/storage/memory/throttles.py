"""Counters of attempts, in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.memory.tables import Tables, ThrottleRow
from innkeeper.server.storage.outcomes import Allowed, Blocked


class MemoryThrottles:
    """See `interface.Throttles`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def attempt(self, limits: Sequence[AttemptLimit], *, now: datetime) -> Allowed | Blocked:
        return self._tables.transition(partial(self._attempt, limits, now))

    async def forget(self, keys: Sequence[bytes]) -> None:
        self._tables.transition(partial(self._forget, keys))

    def _attempt(self, limits: Sequence[AttemptLimit], now: datetime, is_retry: bool) -> Allowed | Blocked:
        blocked = used_up(self._tables, limits, now)
        if blocked is None:
            count(self._tables, limits, now)
        return blocked or Allowed()

    def _forget(self, keys: Sequence[bytes], is_retry: bool) -> None:
        for key in keys:
            self._tables.throttles.pop(key, None)


def used_up(tables: Tables, limits: Sequence[AttemptLimit], now: datetime) -> Blocked | None:
    """Until when, if one of them is; nothing is counted."""
    rows = [(_current(tables, limit, now), limit) for limit in limits]
    ends = [row.window_ends_at for row, limit in rows if row.used >= limit.attempts]
    return Blocked(until=max(ends)) if ends else None


def count(tables: Tables, limits: Sequence[AttemptLimit], now: datetime) -> None:
    """One attempt on each of them."""
    for limit in limits:
        row = _current(tables, limit, now)
        tables.throttles[limit.key] = ThrottleRow(used=row.used + 1, window_ends_at=row.window_ends_at)


def _current(tables: Tables, limit: AttemptLimit, now: datetime) -> ThrottleRow:
    row = tables.throttles.get(limit.key)
    if row is None or row.window_ends_at <= now:
        return ThrottleRow(used=0, window_ends_at=now + limit.window)
    return row
