"""Access tokens: what they say as JWTs (RFC 9068, or the claims that Auth0's libraries expect), and which are ours."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from innkeeper.jose import base64url
from innkeeper.jose.claims import Claims
from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.handle import ORDER_BYTES
from innkeeper.server.model.identifiers import ApiIdentifier, GrantId

TYP: Final = "at+jwt"
AUTH0_TYP: Final = "JWT"
# Grant ids are base64url, so no grant's id begins like this.
_OF_CLIENT: Final = "app:"
_GTY: Final = {
    "client_credentials": "client-credentials",
    "password": "password",
    "http://auth0.com/oauth/grant-type/password-realm": "password",
    "refresh_token": "refresh_token",
}
# What an ID token of ours always has, or may have, and an access token never.
_OF_ID_TOKENS: Final = ("amr", "sid", "nonce", "at_hash", "c_hash")


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
    permissions: Sequence[str] | None = None
    act: Mapping[str, Any] | None = None


class Auth0Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The other profile. Auth0 has no `jti`; ours keeps it, since revocation knows a token by it."""

    iss: str
    sub: str
    aud: str | list[str]
    azp: str
    iat: int
    exp: int
    jti: str
    scope: str
    gty: str | None = None
    permissions: Sequence[str] | None = None
    act: Mapping[str, Any] | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says beyond its authorization."""

    subject: str
    issuer: str
    userinfo_endpoint: str
    jti: str
    now: datetime
    grant_type: str
    permissions: Sequence[str] | None = None


def typ_of(authorization: Authorization) -> str:
    """The header's `typ`, by the profile of the API."""
    return AUTH0_TYP if _is_auth0(authorization) else TYP


def claims(authorization: Authorization, facts: Facts) -> AccessTokenClaims | Auth0Claims | Mapping[str, Any]:
    """In the profile of the authorization's API, with what a hook adds, which takes nobody's place."""
    standard = _auth0(authorization, facts) if _is_auth0(authorization) else _rfc9068(authorization, facts)
    if not authorization.access_token_claims:
        return standard
    return {**authorization.access_token_claims, **msgspec.to_builtins(standard)}


def _auth0(authorization: Authorization, facts: Facts) -> Auth0Claims:
    client_id = authorization.client.client_id
    return Auth0Claims(**_common(authorization, facts), azp=client_id, gty=_GTY.get(facts.grant_type))


def _rfc9068(authorization: Authorization, facts: Facts) -> AccessTokenClaims:
    authentication = authorization.authentication
    return AccessTokenClaims(
        **_common(authorization, facts),
        client_id=authorization.client.client_id,
        auth_time=_seconds(None if authentication is None else authentication.auth_time),
        acr=None if authentication is None else authentication.acr,
    )


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def _common(authorization: Authorization, facts: Facts) -> dict[str, Any]:
    """With `openid`, userinfo is an audience too (R-AT5)."""
    assert authorization.api is not None
    issued_at = int(facts.now.timestamp())
    return {
        "iss": facts.issuer,
        "sub": facts.subject,
        "aud": audience_of(authorization.api.identifier, authorization.scope, facts.userinfo_endpoint),
        "iat": issued_at,
        "exp": issued_at + int(authorization.access_token_lifetime.total_seconds()),
        "jti": facts.jti,
        "scope": str(authorization.scope),
        "permissions": facts.permissions,
        "act": authorization.act,
    }


def said_by(
    token: OpaqueAccessToken, grant: Grant | None, *, issuer: str, userinfo_endpoint: str
) -> dict[str, Any]:
    """What an opaque token would say if it were a JWT of RFC 9068. Its `jti` is no secret and opens nothing."""
    name = base64url.encode(token.key[ORDER_BYTES : ORDER_BYTES + 16])
    said: dict[str, Any] = {
        **token.claims,
        "iss": issuer,
        "sub": token.subject,
        "aud": audience_of(token.api, token.scope, userinfo_endpoint),
        "client_id": token.client_id,
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": jti_of(token.grant_id, token.client_epoch, name),
        "scope": " ".join(token.scope),
    }
    if grant is not None and grant.auth_time is not None:
        said["auth_time"] = int(grant.auth_time.timestamp())
    if grant is not None and grant.acr is not None:
        said["acr"] = grant.acr
    return said


def audience_of(
    api: ApiIdentifier | None, scope: Sequence[str] | Any, userinfo_endpoint: str
) -> str | list[str]:
    """The API, and userinfo for whoever may ask it."""
    if api is None:
        return userinfo_endpoint
    return [str(api), userinfo_endpoint] if "openid" in scope else str(api)


def jti_of(grant_id: GrantId | None, client_epoch: int, name: str, *, is_exchanged: bool = False) -> str:
    """It names what the token stands on: a grant, or a client as it is until everything it was given ends; or both."""
    if grant_id is None:
        return f"{_OF_CLIENT}{client_epoch}.{name}"
    return f"{grant_id}.{name}.{client_epoch}" if is_exchanged else f"{grant_id}.{name}"


def grant_of(claims: Claims) -> GrantId | None:
    """None for a token that a client got for itself."""
    jti = claims.jti or ""
    return None if jti.startswith(_OF_CLIENT) else GrantId(jti.partition(".")[0])


def client_epoch_of(claims: Claims) -> int | None:
    """Of a token that a client got for itself, or by an exchange: what it stands on."""
    jti = claims.jti or ""
    if jti.startswith(_OF_CLIENT):
        epoch = jti.removeprefix(_OF_CLIENT).partition(".")[0]
    else:
        epoch = jti.rpartition(".")[2]
    return int(epoch) if epoch.isascii() and epoch.isdecimal() else None


def client_of(claims: Mapping[str, Any]) -> str:
    """Whose token it is, in either profile."""
    return str(claims.get("client_id") or claims.get("azp") or "")


def is_auth0_access_token(claims: Claims) -> bool:
    """Whether a JWT of ours with the plain `typ` is an access token: ID tokens have it too (RFC 8725 §3.12).

    Of an access token all of these are ours to write, and no hook may add them; an ID token always has `amr`.
    """
    return (
        all(isinstance(claims.get(name), str) for name in ("azp", "jti", "scope"))
        and bool(claims.aud)
        and claims["azp"] not in claims.aud
        and not any(name in claims for name in _OF_ID_TOKENS)
    )


def _is_auth0(authorization: Authorization) -> bool:
    return authorization.api is not None and authorization.api.token_profile == "auth0"
