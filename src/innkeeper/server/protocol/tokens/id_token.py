"""ID tokens (OIDC Core §2)."""

from datetime import datetime, timedelta
from typing import Any, Final

from innkeeper.jose.hashes import at_hash
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.tokens import user_claims

TYP: Final = "JWT"


def claims(
    authorization: Authorization,
    *,
    subject: str,
    issuer: str,
    access_token: str | None,
    code: str | None = None,
    lifetime: timedelta,
    now: datetime,
) -> dict[str, Any]:
    """What leaves with it is bound to it: `at_hash`, and `c_hash` for a code of the authorization endpoint."""
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
        "amr": authentication.amr,
    }
    if authentication.auth_time is not None:
        claim_set["auth_time"] = int(authentication.auth_time.timestamp())
    if authentication.sid is not None:
        claim_set["sid"] = authentication.sid
    if authentication.acr is not None:
        claim_set["acr"] = authentication.acr
    if authorization.nonce is not None:
        claim_set["nonce"] = authorization.nonce
    if access_token is not None:
        claim_set["at_hash"] = at_hash(access_token, client.id_token_signed_response_alg)
    if code is not None:
        claim_set["c_hash"] = at_hash(code, client.id_token_signed_response_alg)
    if _tells_who(client, access_token, code):
        claim_set |= user_claims.of(user, authorization.scope)
    if code is None:
        claim_set |= user_claims.named(user, authorization.claims.id_token)
    return claim_set


def _tells_who(client: Client, access_token: str | None, code: str | None) -> bool:
    """Whether the claims of the granted scopes are in it, as Auth0's and Google's clients expect (§2 allows any claim).

    Beside a code it passes through the browser, and the one that the code brings has them (§3.3.3.6: fewer, for
    privacy). With nothing beside it there is no other way to get them (§5.4).
    """
    if code is not None:
        return False
    return access_token is None or client.id_token_profile
