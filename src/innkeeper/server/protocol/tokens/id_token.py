"""ID tokens (OIDC Core §2)."""

from datetime import datetime, timedelta
from typing import Any, Final

from innkeeper.jose.hashes import at_hash
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.protocol.tokens import user_claims

TYP: Final = "JWT"


def claims(
    authorization: Authorization,
    *,
    subject: str,
    issuer: str,
    access_token: str | None,
    lifetime: timedelta,
    now: datetime,
) -> dict[str, Any]:
    """The claims of the granted scopes are in it too, as Auth0's and Google's clients expect (§2 allows any claim)."""
    user, authentication, client = authorization.user, authorization.authentication, authorization.client
    assert user is not None and authentication is not None
    issued_at = int(now.timestamp())
    claim_set: dict[str, Any] = {
        **authorization.id_token_claims,
        "iss": issuer,
        "sub": subject,
        "aud": client.client_id,
        "iat": issued_at,
        "exp": issued_at + int(lifetime.total_seconds()),
        "auth_time": int(authentication.auth_time.timestamp()),
        "amr": authentication.amr,
    }
    if authentication.sid is not None:
        claim_set["sid"] = authentication.sid
    if authentication.acr is not None:
        claim_set["acr"] = authentication.acr
    if authorization.nonce is not None:
        claim_set["nonce"] = authorization.nonce
    if access_token is not None:
        claim_set["at_hash"] = at_hash(access_token, client.id_token_signed_response_alg)
    if client.id_token_profile:
        claim_set |= user_claims.of(user, authorization.scope)
    claim_set |= user_claims.named(user, authorization.claims.id_token)
    return claim_set
