"""Which signing key signs, which are published: next key ahead, old key until its last token has ended."""

from collections.abc import Iterable
from datetime import datetime

from innkeeper.server.model.signing_key import SigningKeyRecord


def is_published(key: SigningKeyRecord, now: datetime) -> bool:
    """It belongs in the JWKS."""
    return key.expires_at is None or now < key.expires_at


def may_sign(key: SigningKeyRecord, now: datetime) -> bool:
    """It is active: neither ahead of its time nor retired."""
    return key.activates_at <= now and (key.retires_at is None or now < key.retires_at)


def signing(keys: Iterable[SigningKeyRecord], alg: str, now: datetime) -> SigningKeyRecord | None:
    """Of the keys that may sign, the one that became active last."""
    candidates = [key for key in keys if key.alg == alg and may_sign(key, now)]
    return max(candidates, key=lambda key: key.activates_at, default=None)
