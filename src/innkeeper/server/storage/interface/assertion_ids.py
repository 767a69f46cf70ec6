"""Assertions that were used: each is good once, on whatever node (RFC 7523 §3)."""

from datetime import datetime
from typing import Protocol

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed


class AssertionIds(Protocol):
    """Digests of client and `jti`, kept until the assertion would have ended."""

    async def claim(
        self, digest: bytes, *, expires_at: datetime, attempt: Attempt
    ) -> Claimed | AlreadyClaimed:
        """Exactly one attempt has it, ever: also when the same `jti` comes with another `exp`."""
        ...
