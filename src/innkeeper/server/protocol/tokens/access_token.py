"""JWT access tokens (RFC 9068)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from innkeeper.server.model.authorization import Authorization

TYP: Final = "at+jwt"


class AccessTokenClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9068 §2.2. `sub` is the client's id when the client acts for itself."""

    iss: str
    sub: str
    aud: str | list[str]
    client_id: str
    iat: int
    exp: int
    jti: str
    scope: str
    auth_time: int | None = None
    acr: str | None = None


def claims(
    authorization: Authorization,
    *,
    subject: str,
    issuer: str,
    userinfo_endpoint: str,
    jti: str,
    now: datetime,
) -> AccessTokenClaims | Mapping[str, Any]:
    """For the API of the authorization; with `openid`, userinfo is an audience too (R-AT5)."""
    assert authorization.api is not None
    authentication = authorization.authentication
    api = str(authorization.api.identifier)
    audience: str | list[str] = [api, userinfo_endpoint] if "openid" in authorization.scope else api
    issued_at = int(now.timestamp())
    standard = AccessTokenClaims(
        iss=issuer,
        sub=subject,
        aud=audience,
        client_id=authorization.client.client_id,
        iat=issued_at,
        exp=issued_at + int(authorization.access_token_lifetime.total_seconds()),
        jti=jti,
        scope=str(authorization.scope),
        auth_time=None if authentication is None else int(authentication.auth_time.timestamp()),
        acr=None if authentication is None else authentication.acr,
    )
    if not authorization.access_token_claims:
        return standard
    return {**authorization.access_token_claims, **msgspec.to_builtins(standard)}
