"""The master secret: a ring of keys kept outside the database, from which every other key is derived (RFC 5869)."""

from typing import Literal

import msgspec

from innkeeper.jose.hashes import hkdf
from innkeeper.server.model.secret import Secret

Purpose = Literal[
    "interaction", "csrf", "at-rest", "refresh-mac", "master-check", "throttle", "user-code", "sign-out"
]


class MasterKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the ring. Seals and MACs name `key_id` (one byte, 0-255)."""

    key_id: int
    value: Secret


class MasterSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The first key is the current one; the others only open what they once sealed."""

    ring: tuple[MasterKey, ...]

    @property
    def current(self) -> MasterKey:
        """The key for everything new."""
        return self.ring[0]

    def derive(self, purpose: Purpose, issuer: str, *, key_id: int | None = None) -> bytes | None:
        """32 bytes for one purpose of one issuer; None when the ring has no such key."""
        wanted = self.current.key_id if key_id is None else key_id
        for key in self.ring:
            if key.key_id == wanted:
                return hkdf(
                    key.value.reveal(), info=b"innkeeper|" + purpose.encode() + b"|" + issuer.encode()
                )
        return None
