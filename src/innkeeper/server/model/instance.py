"""What one database belongs to: one deployment, one issuer, one master secret."""

from datetime import datetime

import msgspec


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """`master_check` is derived from the master secret and cannot be turned back into it."""

    issuer: str
    master_check: bytes
    created_at: datetime
    pairwise_key: bytes = b""
    """Sealed at rest: what pairwise subjects are made with. It never changes, or everybody would be a stranger."""
