"""The userinfo endpoint's work (OIDC Core §5.3): is the token live, and what may its holder know."""

from datetime import datetime
from typing import Any, Final

import msgspec

from innkeeper.jose.errors import TokenRefused
from innkeeper.oauth.errors import InsufficientScope, InvalidToken, OAuthError
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.handle import key_of
from innkeeper.server.protocol.liveness import is_live
from innkeeper.server.protocol.tokens import user_claims
from innkeeper.server.storage.outcomes import GrantStanding

TYP: Final = "userinfo+jwt"
# One text whatever is wrong with the token: its holder needs a new one in every case.
REFUSED: Final = "The access token is unknown, expired or revoked."


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the token's holder may know. `signed` is the same as a JWT, for clients that asked for one (§5.3.2)."""

    client: Client
    claims: dict[str, Any]
    signed: str | None = None


async def answer(token: str, services: Services) -> Answer:
    """Raises `InvalidToken`, `InsufficientScope`."""
    now = services.clock.now()
    standing, scope = await _standing(token, services, now)
    if standing is None or not is_live(standing, now) or standing.user is None:
        raise InvalidToken(REFUSED)
    if "openid" not in scope:
        raise _no_openid()
    client = await services.registry.client(standing.grant.client_id)
    if client is None or not client.is_enabled:
        raise InvalidToken(REFUSED)
    claims = {"sub": services.subjects.of(standing.user, client), **user_claims.of(standing.user, scope)}
    return Answer(client=client, claims=claims, signed=_signed(claims, client, services, now))


def _signed(claims: dict[str, Any], client: Client, services: Services, now: datetime) -> str | None:
    """Typed by itself, so that it can never pass for an ID token of the same issuer and audience (RFC 8725 §3.11)."""
    alg = client.userinfo_signed_response_alg
    if alg is None:
        return None
    return services.keys.signer(alg, TYP, now).sign(
        {**claims, "iss": services.settings.issuer, "aud": client.client_id, "iat": int(now.timestamp())}
    )


async def _standing(token: str, services: Services, now: datetime) -> tuple[GrantStanding | None, Scope]:
    key = key_of("ik_at_", token)
    if key is not None:
        found = await services.store.grants.opaque_standing(key)
        if found is None or now >= found.expires_at:
            return None, Scope()
        return found.standing, Scope(found.scope)
    try:
        verified = access_tokens.verified(token, services, now)
    except TokenRefused as refused:
        raise InvalidToken(REFUSED, detail=refused.reason) from refused
    scope = Scope.parse(verified.scope)
    if "openid" not in scope:  # a machine's token among them: it has no person to tell about (R-CC5)
        raise _no_openid()
    grant_id, denial = access_tokens.grant_of(verified), access_tokens.denied_under(verified)
    return await services.store.grants.standing(grant_id, denial), scope


def _no_openid() -> OAuthError:
    return InsufficientScope("The access token has no scope openid, so it tells nothing about a person.")
