"""Assertions that were used, in PostgreSQL."""

from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import to_us

CLAIM: Final = (
    "INSERT INTO assertion_ids (digest, expires_at, claimed_by) VALUES ($1, $2, $3)"
    " ON CONFLICT (digest) DO NOTHING"
)
CLAIMED_BY: Final = "SELECT claimed_by FROM assertion_ids WHERE digest = $1"


class PostgresAssertionIds:
    """See `interface.AssertionIds`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def claim(
        self, digest: bytes, *, expires_at: datetime, attempt: Attempt
    ) -> Claimed | AlreadyClaimed:
        return await self._transitions.at_once(partial(claim, digest, expires_at, attempt))


async def is_claimed(digest: bytes, statements: Statements) -> bool:
    """By whomever."""
    return await statements.row(CLAIMED_BY, (digest,)) is not None


async def claim(
    digest: bytes, expires_at: datetime, attempt: Attempt, statements: Statements
) -> Claimed | AlreadyClaimed:
    """As a part of a transition."""
    if await statements.change(CLAIM, (digest, to_us(expires_at), attempt)):
        return Claimed()
    return Claimed() if await statements.row(CLAIMED_BY, (digest,)) == (attempt,) else AlreadyClaimed()
