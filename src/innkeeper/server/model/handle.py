"""Handles: secrets that stand for a row (codes, opaque tokens, session cookies, one-time links).

Text form: a recognisable prefix, then base64url of eight ordering bytes and 32 random bytes. The ordering bytes are
the latest possible expiry (five bytes of epoch seconds) and a counter (three bytes): inserts go to the right edge of
the tree and a purge is a range. The store keeps the ordering bytes and SHA-256 of the random part, so that a copy of
the database holds no usable handle.
"""

from typing import Final, Literal

from innkeeper.jose import base64url
from innkeeper.jose.hashes import sha256
from innkeeper.server.model.identifiers import HandleKey

HandleKind = Literal["ik_ac_", "ik_at_", "ik_dc_", "ik_se_", "ik_ln_"]
RANDOM_BYTES: Final = 32
ORDER_BYTES: Final = 8
_COUNTER_MODULUS: Final = 1 << 24


def mint(kind: HandleKind, *, latest_expiry_s: int, counter: int, random: bytes) -> tuple[str, HandleKey]:
    """The text that leaves the server and the key that stays. `random` is 32 fresh bytes."""
    order = ordering(latest_expiry_s=latest_expiry_s, counter=counter)
    return kind + base64url.encode(order + random), stored_under(order, random)


def key_of(kind: HandleKind, text: str) -> HandleKey | None:
    """The key under which this handle would be stored; None when it cannot be one of ours."""
    if not text.startswith(kind) or len(text) > 128:
        return None
    try:
        raw = base64url.decode(text[len(kind) :])
    except ValueError:
        return None
    if len(raw) != ORDER_BYTES + RANDOM_BYTES:
        return None
    return stored_under(raw[:ORDER_BYTES], raw[ORDER_BYTES:])


def ordering(*, latest_expiry_s: int, counter: int) -> bytes:
    """The eight bytes that come first in every handle."""
    return latest_expiry_s.to_bytes(5, "big") + (counter % _COUNTER_MODULUS).to_bytes(3, "big")


def stored_under(order: bytes, random: bytes) -> HandleKey:
    """The key of a handle that is made of these two parts."""
    return HandleKey(order + sha256(random))


def denial_key(jti: str, expires_s: int) -> HandleKey:
    """Under which a JWT is denied: as for a handle, what ends first comes first."""
    return stored_under(ordering(latest_expiry_s=expires_s, counter=0), jti.encode())
