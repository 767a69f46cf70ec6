"""Leases, in PostgreSQL."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import Held, HeldElsewhere
from innkeeper.server.storage.postgresql.faults import Overtaken
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import from_us, to_us

TAKE: Final = """
INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE leases.holder = excluded.holder OR leases.expires_at <= $4
"""
HELD_UNTIL: Final = "SELECT expires_at FROM leases WHERE name = $1"
RELEASE: Final = "DELETE FROM leases WHERE name = $1 AND holder = $2"


class PostgresLeases:
    """See `interface.Leases`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def take(
        self, name: str, *, holder: Attempt, now: datetime, lasts: timedelta
    ) -> Held | HeldElsewhere:
        return await self._transitions.at_once(partial(_take, name, holder, now, lasts))

    async def release(self, name: str, *, holder: Attempt) -> None:
        await self._transitions.at_once(partial(_release, name, holder))


async def _take(
    name: str, holder: Attempt, now: datetime, lasts: timedelta, statements: Statements
) -> Held | HeldElsewhere:
    until = now + lasts
    if await statements.change(TAKE, (name, holder, to_us(until), to_us(now))):
        return Held(until=until)
    held = await statements.row(HELD_UNTIL, (name,))
    if held is None:
        raise Overtaken("the lease was given back meanwhile")
    return HeldElsewhere(until=from_us(held[0]))


async def _release(name: str, holder: Attempt, statements: Statements) -> None:
    await statements.change(RELEASE, (name, holder))
