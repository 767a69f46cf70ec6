"""Assertions that were used, in memory."""

from datetime import datetime
from functools import partial

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.memory.tables import AssertionIdRow, Tables
from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed


class MemoryAssertionIds:
    """See `interface.AssertionIds`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def claim(
        self, digest: bytes, *, expires_at: datetime, attempt: Attempt
    ) -> Claimed | AlreadyClaimed:
        return self._tables.transition(partial(self._claim, digest, expires_at, attempt))

    def _claim(
        self, digest: bytes, expires_at: datetime, attempt: Attempt, is_retry: bool
    ) -> Claimed | AlreadyClaimed:
        row = self._tables.assertion_ids.setdefault(
            digest, AssertionIdRow(expires_at=expires_at, claimed_by=attempt)
        )
        return Claimed() if row.claimed_by == attempt else AlreadyClaimed()
