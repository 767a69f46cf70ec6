"""Proof Key for Code Exchange (RFC 7636, RFC 9700 §2.1.1): S256 and nothing else."""

from __future__ import annotations

import re
from typing import Final

from innkeeper.jose import base64url, hashes
from innkeeper.oauth.errors import InvalidRequest

# `plain` would hand the verifier to whoever reads the authorization request.
CODE_CHALLENGE_METHODS: Final = ("S256",)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def check_challenge(challenge: str, method: str | None) -> None:
    """InvalidRequest unless this is an S256 challenge. An absent method means `plain` (§4.3): refused too."""
    if method not in CODE_CHALLENGE_METHODS:
        raise InvalidRequest("code_challenge_method must be S256")
    if _CHALLENGE.fullmatch(challenge) is None:
        raise InvalidRequest("code_challenge must be the 43 base64url characters of a SHA-256 digest")


def s256(verifier: str) -> str:
    """The challenge of a verifier (§4.2)."""
    return base64url.encode(hashes.sha256(verifier.encode("ascii")))


def verify(verifier: str, challenge: str) -> bool:
    """Whether the verifier belongs to the challenge (§4.6). A malformed verifier belongs to none."""
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    return hashes.constant_time_equal(s256(verifier), challenge)
