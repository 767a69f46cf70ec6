"""Claims that a hook adds: which names are free, and how much of them there may be (RFC 7519 §4.2, §4.3)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from innkeeper.server.protocol.tokens import user_claims

MAX_BYTES: Final = 4096
# Another meaning for any of these would let a hook, or what it copies from a profile, decide who somebody is.
RESERVED: Final = frozenset(
    (
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "client_id", "scope", "scp", "permissions", "gty",
        "auth_time", "acr", "amr", "nonce", "sid", "at_hash", "c_hash", "s_hash", "rt_hash", "cnf", "act", "may_act",
        "typ", "events", "toe", "txn", "sub_id", "sub_jwk", "active", "token_type", "username", "org_id",
        "authorization_details",
        *user_claims.NAMES,
    )
)  # fmt: skip


class ClaimsRefused(Exception):
    """These claims cannot be taken; the message says which and why, for the operator's log."""


def check(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims, as JSON will have them. Raises `ClaimsRefused`, so that nothing is dropped in silence."""
    for name in claims:
        if name in RESERVED:
            raise ClaimsRefused(f"the claim {name!r} is reserved: choose a name of your own, best a URL")
    try:
        encoded = msgspec.json.encode(dict(claims))
    except (TypeError, ValueError, RecursionError) as error:
        raise ClaimsRefused(f"a claim cannot be written as JSON: {error}") from error
    if len(encoded) > MAX_BYTES:
        raise ClaimsRefused(f"the claims have {len(encoded)} bytes, {MAX_BYTES} are the most")
    plain: dict[str, Any] = msgspec.json.decode(encoded)
    return plain
