"""The userinfo endpoint's work (OIDC Core §5.3): is the token live, and what may its holder know."""

from datetime import datetime
from typing import Any

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

# One text whatever is wrong with the token: its holder needs a new one in every case.
REFUSED = "The access token is unknown, expired or revoked."


async def claims(token: str, services: Services) -> tuple[dict[str, Any], Client]:
    """The claims and the client that holds the token. Raises `InvalidToken`, `InsufficientScope`."""
    now = services.clock.now()
    standing, scope = await _standing(token, services, now)
    if standing is None or not is_live(standing) or standing.user is None:
        raise InvalidToken(REFUSED)
    if "openid" not in scope:
        raise _no_openid()
    client = await services.registry.client(standing.grant.client_id)
    if client is None or not client.is_enabled:
        raise InvalidToken(REFUSED)
    named = user_claims.named(standing.user, standing.grant.claims.userinfo)
    return {"sub": standing.user.user_id, **user_claims.of(standing.user, scope), **named}, client


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
