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
        rows = {limit.key: self._current(limit, now) for limit in limits}
        used_up = [rows[limit.key] for limit in limits if rows[limit.key].used >= limit.attempts]
        if used_up:
            return Blocked(until=max(row.window_ends_at for row in used_up))
        for key, row in rows.items():
            self._tables.throttles[key] = ThrottleRow(used=row.used + 1, window_ends_at=row.window_ends_at)
        return Allowed()

    def _current(self, limit: AttemptLimit, now: datetime) -> ThrottleRow:
        row = self._tables.throttles.get(limit.key)
        if row is None or row.window_ends_at <= now:
            return ThrottleRow(used=0, window_ends_at=now + limit.window)
        return row

    def _forget(self, keys: Sequence[bytes], is_retry: bool) -> None:
        for key in keys:
            self._tables.throttles.pop(key, None)
