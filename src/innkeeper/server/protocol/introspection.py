"""Token introspection (RFC 7662): who may look into a token, and what they are told."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.client import Client
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import FamilyAndGrant

INACTIVE: Final[Mapping[str, Any]] = {"active": False}
"""The one answer for unknown, ended, foreign and malformed alike (§2.2): nothing to learn from asking."""


def may_look(caller: Client, *, holder: str, audience: Collection[str]) -> bool:
    """Whoever guards an API that the token is for, and the client that holds it. Nobody else (§4, IN-02)."""
    return caller.client_id == holder or any(api in audience for api in caller.resource_server_of)


def of_access_token(claims: Mapping[str, Any], *, client_id: str, user: User | None) -> dict[str, Any]:
    """What the token says, whatever its form. The name of the person goes with the scope that gives it."""
    told = {**claims, "client_id": client_id, "token_type": "Bearer", "active": True}
    if user is not None and "profile" in Scope.parse(claims["scope"]):
        told["username"] = user.username
    return told


def of_refresh_token(
    found: FamilyAndGrant, *, subject: str, scope: Scope, expires_at: datetime, issuer: str
) -> dict[str, Any]:
    """Without `token_type` and `aud`: nobody shall take it for an access token."""
    told: dict[str, Any] = {
        "active": True,
        "iss": issuer,
        "sub": subject,
        "client_id": found.family.client_id,
        "scope": str(scope),
        "iat": int(found.family.issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    if found.grant.auth_time is not None:
        told["auth_time"] = int(found.grant.auth_time.timestamp())
    return told
