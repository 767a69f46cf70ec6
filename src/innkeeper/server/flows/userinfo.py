"""The userinfo endpoint's work (OIDC Core §5.3): is the token live, and what may its holder know."""

from typing import Any

from innkeeper.jose.errors import TokenRefused
from innkeeper.oauth.errors import InsufficientScope, InvalidToken
from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.tokens import user_claims

# One text whatever is wrong with the token: its holder needs a new one in every case.
REFUSED = "The access token is unknown, expired or revoked."


async def claims(token: str, services: Services) -> tuple[dict[str, Any], Client]:
    """The claims and the client that holds the token. Raises `InvalidToken`, `InsufficientScope`."""
    try:
        presented = await access_tokens.presented(token, services, services.clock.now())
    except TokenRefused as refused:
        raise InvalidToken(REFUSED, detail=refused.reason) from refused
    if not presented.is_live:
        raise InvalidToken(REFUSED)
    if (
        "openid" not in presented.scope
    ):  # a machine's token among them: it has no person to tell about (R-CC5)
        raise InsufficientScope("The access token has no scope openid, so it tells nothing about a person.")
    client = await services.registry.client(presented.client_id)
    if client is None or not client.is_enabled or presented.user is None:
        raise InvalidToken(REFUSED)
    return {"sub": presented.user.user_id, **user_claims.of(presented.user, presented.scope)}, client
