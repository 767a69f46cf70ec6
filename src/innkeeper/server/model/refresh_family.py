"""A refresh family: one row for a refresh token and all its successors (RFC 9700 §4.14.2)."""

from datetime import datetime
from typing import Final

import msgspec

from innkeeper.server.model.identifiers import Attempt, ClientId, GrantId, HandleKey, Subject

MAX_OVERLAPS: Final = 20
"""How often the token before the living one is answered again after one rotation."""
MAX_FAMILIES: Final = 200
"""Of one person with one app; one more ends the one that would end first."""


class RefreshFamily(msgspec.Struct, frozen=True, kw_only=True):
    """`generation` is the token that is alive; one less is the one before it, anything older was used long ago.

    The token carries the family's random bytes, its generation and a MAC over both: the row alone forges nothing, and
    whoever holds an old token cannot raise its generation. `scope` is the original grant; narrowing never shrinks it.
    """

    key: HandleKey
    grant_id: GrantId
    client_id: ClientId
    user_id: Subject
    scope: tuple[str, ...]
    is_rotating: bool
    generation: int = 0
    issued_at: datetime
    idle_expires_at: datetime
    absolute_expires_at: datetime
    rotated_at: datetime | None = None
    rotated_by: Attempt | None = None
    overlaps: int = 0
    """How many times the token before the living one was answered again since the last rotation."""
    untold_generation: int | None = None
    """The living one, where nobody was ever told of it: the token before it is good until somebody is."""
    mac_key_id: int
    label: str = ""
