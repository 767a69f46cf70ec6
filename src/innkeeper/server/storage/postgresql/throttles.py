"""Counters of attempts, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Blocked
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import from_us, to_us

USED_UP_UNTIL: Final = (
    "SELECT window_ends_at FROM throttles WHERE throttle_key = $1 AND used >= $2 AND window_ends_at > $3"
)
COUNT: Final = """
INSERT INTO throttles (throttle_key, used, window_ends_at) VALUES ($1, 1, $2)
ON CONFLICT (throttle_key) DO UPDATE SET
    used = CASE WHEN throttles.window_ends_at > $3 THEN throttles.used + 1 ELSE 1 END,
    window_ends_at = CASE WHEN throttles.window_ends_at > $3 THEN throttles.window_ends_at
        ELSE excluded.window_ends_at END
"""
FORGET: Final = "DELETE FROM throttles WHERE throttle_key = $1"


class PostgresThrottles:
    """See `interface.Throttles`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def attempt(self, limits: Sequence[AttemptLimit], *, now: datetime) -> Allowed | Blocked:
        return await self._transitions.submit(partial(_attempt, limits, now))

    async def forget(self, keys: Sequence[bytes]) -> None:
        await self._transitions.submit(partial(_forget, keys))


async def used_up(limits: Sequence[AttemptLimit], now: datetime, transaction: Transaction) -> Blocked | None:
    """Until when, if one of them is; nothing is counted."""
    now_us = to_us(now)
    found = [await transaction.row(USED_UP_UNTIL, (limit.key, limit.attempts, now_us)) for limit in limits]
    ends = [row[0] for row in found if row is not None]
    return Blocked(until=from_us(max(ends))) if ends else None


async def count(limits: Sequence[AttemptLimit], now: datetime, transaction: Transaction) -> None:
    """One attempt on each of them."""
    for limit in limits:
        await transaction.change(COUNT, (limit.key, to_us(now + limit.window), to_us(now)))


async def _attempt(
    limits: Sequence[AttemptLimit], now: datetime, transaction: Transaction
) -> Allowed | Blocked:
    blocked = await used_up(limits, now, transaction)
    if blocked is None:
        await count(limits, now, transaction)
    return blocked or Allowed()


async def _forget(keys: Sequence[bytes], transaction: Transaction) -> None:
    for key in keys:
        await transaction.change(FORGET, (key,))
