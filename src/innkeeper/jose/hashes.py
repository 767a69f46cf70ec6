"""Digests, MACs and key derivation (RFC 2104, RFC 5869, OIDC Core §3.1.3.6)."""

from __future__ import annotations

import hashlib
import hmac

from innkeeper.jose import base64url

_BLOCK_BYTES = 64


def sha256(data: bytes) -> bytes:
    """The digest under S256, thumbprints, and what the store keeps of handles and client secrets."""
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """The MAC of `data`; compare it with `constant_time_equal`."""
    return hmac.digest(key, data, "sha256")


class MacKey:
    """A key for many MACs with SHA-256: its two halves of the work are done once (RFC 2104 §4).

    Unlike `hmac.digest` it never lets go of the interpreter's lock, which a thread that writes would take: two
    switches of threads for a microsecond of work.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= _BLOCK_BYTES else sha256(key)).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def tag(self, data: bytes) -> bytes:
        """HMAC-SHA-256 of `data`; compare it with `constant_time_equal`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "MacKey(***)"


def constant_time_equal(one: str | bytes, other: str | bytes) -> bool:
    """Compare without telling by time where the first difference is; any text, not ASCII alone."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def hkdf(secret: bytes, *, info: bytes, length: int = 32) -> bytes:
    """One key per purpose from one secret: extract, then expand with `info` (RFC 5869 §2)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def at_hash(token: str, alg: str) -> str:
    """Left half of the token's digest, by the hash of the ID token's `alg`; `c_hash` is made the same way.

    Ed25519 hashes with SHA-512 (RFC 8032 §5.1), so its claims do too.
    """
    hash_of = hashlib.sha512 if alg in ("EdDSA", "Ed25519") else _HASH_OF_SUFFIX.get(alg[2:])
    if hash_of is None:
        raise ValueError(f"no hash is defined for the algorithm {alg!r}")
    digest = hash_of(token.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2])


_HASH_OF_SUFFIX = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
