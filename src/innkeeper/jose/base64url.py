"""base64url without padding (RFC 7515 §2, RFC 4648 §5): one text for one value, in both directions."""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> str:
    """The one text of `data`."""
    return encode_bytes(data).decode("ascii")


def encode_bytes(data: bytes) -> bytes:
    """As `encode`, for callers that go on with bytes (the signer)."""
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def decode(text: str) -> bytes:
    """ValueError for padding, foreign characters, an impossible length, or spare bits that are not zero.

    The stock decoder skips foreign characters and ignores the spare bits of the last one, so that many texts
    stand for one value: two different tokens with one valid signature.
    """
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        raise ValueError("not base64url")
    ascii_text = text.encode("ascii")
    data = a2b_base64(ascii_text.translate(_FROM_URL) + b"=" * (-len(text) % 4))
    if encode_bytes(data) != ascii_text:
        raise ValueError("base64url that is not canonical")
    return data
