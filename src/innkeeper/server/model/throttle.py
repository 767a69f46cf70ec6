"""Limits on wrong passwords, counted in the store so that restarts and nodes do not reset them."""

from datetime import timedelta

import msgspec


class AttemptLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `attempts` within `window` for this key (a digest: the identifier is not stored in clear)."""

    key: bytes
    attempts: int
    window: timedelta
