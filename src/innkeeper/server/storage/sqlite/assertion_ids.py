"""Assertions that were used, in SQLite."""

from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed
from innkeeper.server.storage.rows import to_us
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

CLAIM: Final = (
    "INSERT INTO assertion_ids (digest, expires_at, claimed_by) VALUES (?1, ?2, ?3)"
    " ON CONFLICT (digest) DO NOTHING"
)
CLAIMED_BY: Final = "SELECT claimed_by FROM assertion_ids WHERE digest = ?1"


class SqliteAssertionIds:
    """See `interface.AssertionIds`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def claim(
        self, digest: bytes, *, expires_at: datetime, attempt: Attempt
    ) -> Claimed | AlreadyClaimed:
        return await self._writer.submit(partial(claim, digest, expires_at, attempt))


def is_claimed(digest: bytes, transaction: Transaction) -> bool:
    """By whomever."""
    return transaction.row(CLAIMED_BY, (digest,)) is not None


def claim(
    digest: bytes, expires_at: datetime, attempt: Attempt, transaction: Transaction
) -> Claimed | AlreadyClaimed:
    """As a part of a transition."""
    if transaction.change(CLAIM, (digest, to_us(expires_at), attempt)):
        return Claimed()
    return Claimed() if transaction.row(CLAIMED_BY, (digest,)) == (attempt,) else AlreadyClaimed()
