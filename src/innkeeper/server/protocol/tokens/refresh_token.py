"""Refresh tokens: one text per family and generation, told apart and authenticated without a row of their own.

`ik_rt_` and base64url of: version (1 byte), key id (1), the family's ordering bytes (8) and random bytes (32),
generation (4), HMAC-SHA-256 over all before it (32). The row keeps the ordering bytes and the digest of the random
ones, so a copy of the database forges nothing, even with the key; the MAC keeps the holder of an old token from
raising its generation; and a successor can be made again, byte for byte, without being stored.
"""

from typing import Final

import msgspec

from innkeeper.jose import base64url
from innkeeper.server.model.handle import ORDER_BYTES, RANDOM_BYTES, stored_under
from innkeeper.server.model.identifiers import HandleKey

PREFIX: Final = "ik_rt_"
VERSION: Final = 1
MAC_BYTES: Final = 32
MAX_GENERATION: Final = (1 << 32) - 1
_GENERATION_BYTES: Final = 4
_HEAD_BYTES: Final = 2 + ORDER_BYTES + RANDOM_BYTES
_SIGNED_BYTES: Final = _HEAD_BYTES + _GENERATION_BYTES
_TEXT_LENGTH: Final = len(PREFIX) + (_SIGNED_BYTES + MAC_BYTES) * 4 // 3


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says; nothing of it is believed before its MAC was checked over `signed`."""

    mac_key_id: int
    order: bytes
    random: bytes
    generation: int

    @property
    def key(self) -> HandleKey:
        """Under which its family is stored."""
        return stored_under(self.order, self.random)

    @property
    def signed(self) -> bytes:
        """What the MAC is over."""
        head = bytes([VERSION, self.mac_key_id]) + self.order + self.random
        return head + self.generation.to_bytes(_GENERATION_BYTES, "big")

    def text(self, mac: bytes) -> str:
        """As it leaves the server."""
        return PREFIX + base64url.encode(self.signed + mac)

    def of_generation(self, generation: int) -> "RefreshToken":
        """Another member of the same family."""
        return msgspec.structs.replace(self, generation=generation)

    def __repr__(self) -> str:
        return f"RefreshToken(generation={self.generation})"


def parse(text: str) -> tuple[RefreshToken, bytes] | None:
    """The token and its MAC; None for what cannot be one of ours."""
    if not text.startswith(PREFIX) or len(text) != _TEXT_LENGTH:
        return None
    try:
        raw = base64url.decode(text[len(PREFIX) :])
    except ValueError:
        return None
    if raw[0] != VERSION:
        return None
    token = RefreshToken(
        mac_key_id=raw[1],
        order=raw[2 : 2 + ORDER_BYTES],
        random=raw[2 + ORDER_BYTES : _HEAD_BYTES],
        generation=int.from_bytes(raw[_HEAD_BYTES:_SIGNED_BYTES], "big"),
    )
    return token, raw[_SIGNED_BYTES:]
