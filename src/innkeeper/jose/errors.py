"""What `jose` raises. Reasons are for the log; callers answer with the OAuth error of their endpoint."""

from __future__ import annotations


class TokenRefused(Exception):
    """A JWT that must not be believed. `code` is stable and may be matched on; `reason` is for the log.

    Codes: `malformed`, `algorithm`, `critical`, `type`, `unknown_key`, `signature`, `claims`, `issuer`,
    `audience`, `expired`, `not_yet_valid`.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class SealBroken(Exception):
    """A sealed value that was not made with this key and this associated data, or was changed since."""


class KeyRefused(ValueError):
    """A key that is too weak, of the wrong kind for its algorithm, or not a key at all."""
