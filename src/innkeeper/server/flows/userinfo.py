"""The userinfo endpoint's work (OIDC Core §5.3): is the token live, and what may its holder know."""

from datetime import datetime
from typing import Any, Final

import msgspec

from innkeeper.jose.errors import TokenRefused
from innkeeper.oauth.errors import InsufficientScope, InvalidToken
from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.tokens import user_claims

TYP: Final = "userinfo+jwt"
# One text whatever is wrong with the token: its holder needs a new one in every case.
REFUSED: Final = "The access token is unknown, expired or revoked."
# A machine's token among them: it has no person to tell about (R-CC5).
NO_OPENID: Final = "The access token has no scope openid, so it tells nothing about a person."


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the token's holder may know. `signed` is the same as a JWT, for clients that asked for one (§5.3.2)."""

    client: Client
    claims: dict[str, Any]
    signed: str | None = None


async def answer(token: str, services: Services) -> Answer:
    """Raises `InvalidToken`, `InsufficientScope`."""
    now = services.clock.now()
    try:
        presented = await access_tokens.presented(token, services, now)
    except TokenRefused as refused:
        raise InvalidToken(REFUSED, detail=refused.reason) from refused
    if not presented.is_live:
        raise InvalidToken(REFUSED)
    if "openid" not in presented.scope:
        raise InsufficientScope(NO_OPENID)
    client = await services.registry.client(presented.client_id)
    if client is None or not client.is_enabled or presented.user is None:
        raise InvalidToken(REFUSED)
    user, grant = presented.user, presented.grant
    claims = {"sub": services.subjects.of(user, client), **user_claims.of(user, presented.scope)}
    if grant is not None:
        claims |= user_claims.named(user, grant.claims.userinfo)
    return Answer(client=client, claims=claims, signed=_signed(claims, client, services, now))


def _signed(claims: dict[str, Any], client: Client, services: Services, now: datetime) -> str | None:
    """Typed by itself, so that it can never pass for an ID token of the same issuer and audience (RFC 8725 §3.11)."""
    alg = client.userinfo_signed_response_alg
    if alg is None:
        return None
    return services.keys.signer(alg, TYP, now).sign(
        {**claims, "iss": services.settings.issuer, "aud": client.client_id, "iat": int(now.timestamp())}
    )
