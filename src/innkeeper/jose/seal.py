"""Authenticated encryption of values that travel through strangers' hands (AES-256-GCM, NIST SP 800-38D)."""

from __future__ import annotations

from innkeeper.jose.errors import SealBroken

SALT_BYTES = 24
KEY_BYTES = 32
_TAG_BYTES = 16
# Every message has a key of its own, made from 192 random bits, so no nonce repeats under one key. With
# random 96-bit nonces under one long-lived key, 2^32 messages would be the limit.
_NONCE = bytes(12)


def seal(key: bytes, plaintext: bytes, *, associated: bytes, salt: bytes) -> bytes:
    """Salt, then ciphertext and tag. `salt` is 24 fresh random bytes; `associated` is proved, not carried."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt is {SALT_BYTES} bytes")
    return salt + AESGCM(_message_key(key, salt)).encrypt(_NONCE, plaintext, associated)


def open_sealed(key: bytes, sealed: bytes, *, associated: bytes) -> bytes:
    """The plaintext, or `SealBroken`: the cause is never told apart, an attacker would learn from it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(sealed) < SALT_BYTES + _TAG_BYTES:
        raise SealBroken("too short to be sealed")
    salt, ciphertext = sealed[:SALT_BYTES], sealed[SALT_BYTES:]
    try:
        return AESGCM(_message_key(key, salt)).decrypt(_NONCE, ciphertext, associated)
    except InvalidTag:
        raise SealBroken("not made with this key and this associated data") from None


def _message_key(key: bytes, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    if len(key) != KEY_BYTES:
        raise ValueError(f"a sealing key is {KEY_BYTES} bytes")
    return HKDFExpand(algorithm=SHA256(), length=KEY_BYTES, info=b"innkeeper seal" + salt).derive(key)
