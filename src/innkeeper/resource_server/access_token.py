"""A JWT access token that a guard has checked (RFC 9068 §2.2)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from innkeeper.jose.claims import Claims
from innkeeper.oauth.errors import InvalidScope, InvalidToken
from innkeeper.oauth.scope import Scope


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls (`subject`), through which app (`client_id`), and what they may do (`scope`).

    A machine that calls for itself has its `client_id` as its `subject`. Rows belong to `subject`, never to
    an e-mail address, which changes. An API with more than one issuer keys them by `identity`.

    >>> def owner_of_new_row(token: AccessToken) -> str:
    ...     return token.subject
    """

    issuer: str
    subject: str
    client_id: str
    scope: Scope
    audience: tuple[str, ...]
    jti: str
    issued_at: datetime
    expires_at: datetime
    claims: Mapping[str, Any]

    @property
    def identity(self) -> tuple[str, str]:
        """One `sub` at two issuers is two people."""
        return self.issuer, self.subject


def from_claims(claims: Claims) -> AccessToken:
    """The token of verified claims; InvalidToken for one that RFC 9068 forbids or that we cannot honour."""
    if claims.client_id is None or claims.jti is None or claims.iat is None:
        raise _refused("client_id, jti or iat is missing")
    # Bound to a key of its sender (RFC 7800 §3.1): who sends it as a plain bearer token may have stolen it.
    if "cnf" in claims:
        raise _refused("the token is bound to a key, and no proof of that key can be checked")
    try:
        scope = Scope.parse(claims.scope)
    except InvalidScope as cause:
        raise _refused(f"the scope claim: {cause.description}") from None
    return AccessToken(
        issuer=claims.iss,
        subject=claims.sub,
        client_id=claims.client_id,
        scope=scope,
        audience=claims.aud,
        jti=claims.jti,
        issued_at=claims.iat,
        expires_at=claims.exp,
        claims=claims,
    )


def _refused(detail: str) -> InvalidToken:
    return InvalidToken("the access token is not valid here", detail=detail)
