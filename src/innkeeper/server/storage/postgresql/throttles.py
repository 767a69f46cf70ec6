"""Counters of attempts, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Final

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Blocked
from innkeeper.server.storage.postgresql.faults import Overtaken
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import numbered
from innkeeper.server.storage.rows import Value, from_us, to_us

# Counted on all of them or on none: those that are there are held first, in one order, so that guesses queue.
# Of those that are not there yet each is asked again when it is counted.
COUNT: Final = """
INSERT INTO throttles (throttle_key, used, window_ends_at)
SELECT l.throttle_key, 1, l.ends FROM limits l
WHERE NOT EXISTS (
    SELECT 1 FROM held h JOIN limits l ON l.throttle_key = h.throttle_key
    WHERE h.used >= l.attempts AND h.window_ends_at > :now
)
ORDER BY l.throttle_key
ON CONFLICT (throttle_key) DO UPDATE SET
    used = CASE WHEN throttles.window_ends_at > :now THEN throttles.used + 1 ELSE 1 END,
    window_ends_at = CASE WHEN throttles.window_ends_at > :now THEN throttles.window_ends_at
        ELSE excluded.window_ends_at END
WHERE throttles.window_ends_at <= :now OR throttles.used < CASE throttles.throttle_key {attempts} END
RETURNING throttle_key
"""
_LIMIT: Final = (
    "SELECT CAST(:key_{n} AS BYTEA) AS throttle_key, CAST(:attempts_{n} AS BIGINT) AS attempts,"
    " CAST(:ends_{n} AS BIGINT) AS ends"
)
HELD: Final = """
SELECT throttle_key, used, window_ends_at FROM throttles WHERE throttle_key IN ({keys})
ORDER BY throttle_key FOR UPDATE
"""
USED_UP_UNTIL: Final = """
SELECT max(t.window_ends_at) FROM throttles t JOIN limits l ON l.throttle_key = t.throttle_key
WHERE t.used >= l.attempts AND t.window_ends_at > :now
"""
FORGET: Final = "DELETE FROM throttles WHERE throttle_key IN ({keys})"


class PostgresThrottles:
    """See `interface.Throttles`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def attempt(self, limits: Sequence[AttemptLimit], *, now: datetime) -> Allowed | Blocked:
        return await self._transitions.at_once(partial(attempt, limits, now))

    async def forget(self, keys: Sequence[bytes]) -> None:
        if keys:
            await self._transitions.at_once(partial(_forget, keys))


async def used_up(limits: Sequence[AttemptLimit], now: datetime, statements: Statements) -> Blocked | None:
    """Until when, if one of them is; nothing is counted."""
    if not limits:
        return None
    sql, names = _asking(len(limits))
    values = _values(limits, now)
    [(until_us,)] = await statements.rows(sql, [values[name] for name in names])
    return None if until_us is None else Blocked(until=from_us(until_us))


async def attempt(limits: Sequence[AttemptLimit], now: datetime, statements: Statements) -> Allowed | Blocked:
    """Counts one on each of them. As a part of a transition that is undone, it may be undone too."""
    if not limits:
        return Allowed()
    sql, names = _counting(len(limits))
    values = _values(limits, now)
    counted = await statements.rows(sql, [values[name] for name in names])
    if len(counted) == len(limits):
        return Allowed()
    blocked = await used_up(limits, now, statements)
    if blocked is None:
        raise Overtaken("a counter was forgotten meanwhile")
    return blocked


async def _forget(keys: Sequence[bytes], statements: Statements) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(keys) + 1))
    await statements.change(FORGET.replace("{keys}", places), sorted(keys))


def _values(limits: Sequence[AttemptLimit], now: datetime) -> dict[str, Value]:
    values: dict[str, Value] = {"now": to_us(now)}
    for number, limit in enumerate(limits):
        values[f"key_{number}"] = limit.key
        values[f"attempts_{number}"] = limit.attempts
        values[f"ends_{number}"] = to_us(now + limit.window)
    return values


@lru_cache(maxsize=8)
def _asking(count: int) -> tuple[str, tuple[str, ...]]:
    return numbered((("limits", _limits(count)),), USED_UP_UNTIL)


@lru_cache(maxsize=8)
def _counting(count: int) -> tuple[str, tuple[str, ...]]:
    keys = ", ".join(f":key_{number}" for number in range(count))
    attempts = " ".join(f"WHEN :key_{number} THEN :attempts_{number}" for number in range(count))
    parts = (
        ("limits", _limits(count)),
        ("held", HELD.replace("{keys}", keys)),
        ("won", COUNT.replace("{attempts}", attempts)),
    )
    return numbered(parts, "SELECT throttle_key FROM won")


def _limits(count: int) -> str:
    return "\nUNION ALL\n".join(_LIMIT.format(n=number) for number in range(count))
