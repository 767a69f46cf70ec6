"""Passwords: Argon2id with the parameters that OWASP advises (RFC 9106; NIST SP 800-63B-4 §3.1.1.2).

The salt is drawn by argon2-cffi itself, from the operating system. One hash costs about 30 ms and 19 MiB:
call it from the password pool only.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from innkeeper.server.identity.password_policy import MAX_CHARS

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)

DUMMY_HASH: Final = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$" + "A" * 22 + "$" + "A" * 43
"""Costs what a real one costs and belongs to no password: for names that nobody has (BF-10)."""


def hash(password: str) -> str:  # noqa: A001 - the protocol's word
    """A PHC string with a salt of its own."""
    return _hasher.hash(_prepared(password))


def verify(hash: str, password: str) -> bool:  # noqa: A002
    """The whole password counts: one longer than the policy allows is hashed in part, and refused."""
    try:
        _hasher.verify(hash, _prepared(password[:MAX_CHARS]))
    except (VerificationError, InvalidHashError):
        return False
    return len(password) <= MAX_CHARS


def needs_rehash(hash: str) -> bool:  # noqa: A002
    """It was made with other parameters than today's."""
    try:
        return _hasher.check_needs_rehash(hash)
    except InvalidHashError:
        return False


def _prepared(password: str) -> bytes:
    """NFKC, so that one password typed on two keyboards is the same (NIST §3.1.1.2). Case and spaces stay."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
