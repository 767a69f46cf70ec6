"""POST /oauth/revoke: an app gives a token back (RFC 7009)."""

from typing import Any

from innkeeper.jose.errors import TokenRefused
from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.client_authentication import ClientRequest, authenticate
from innkeeper.server.flows.refresh_tokens import presented
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import AccessTokenDenied, GrantRevoked
from innkeeper.server.protocol.tokens import refresh_token


async def revoke(request: ClientRequest, services: Services) -> None:
    """Done when it returns. Unknown, ended and foreign tokens change nothing and tell nothing (§2.2).

    Every kind is told by its own form, so a wrong `token_type_hint` hides nothing (§2.1). Raises `OAuthError`,
    `StoreUnavailable`.
    """
    client = await authenticate(request, services)
    token = request.form.require("token")
    if token.startswith(refresh_token.PREFIX):
        await _revoke_grant(token, client, request, services)
    else:
        await _deny(token, client, request, services)


async def _revoke_grant(token: str, client: Client, request: ClientRequest, services: Services) -> None:
    """Any member of the family ends the whole authorization; what the person allowed stays allowed."""
    family = await presented(token, services)
    if family is None or family.found.family.client_id != client.client_id:
        return
    grant = family.found.grant
    event = GrantRevoked(**_common(client, request, services), user_id=grant.user_id, grant_id=grant.grant_id)
    await services.store.grants.revoke(grant.grant_id, now=event.at, events=[event])
    services.events.emit(event)


async def _deny(token: str, client: Client, request: ClientRequest, services: Services) -> None:
    """Only this access token. A JWT is honoured until its `exp` by a guard that does not ask."""
    try:
        found = await access_tokens.presented(token, services, services.clock.now())
    except TokenRefused:
        return
    if found.client_id != client.client_id:
        return
    grant = found.grant
    event = AccessTokenDenied(
        **_common(client, request, services),
        user_id=None if grant is None else grant.user_id,
        grant_id="" if grant is None else grant.grant_id,
    )
    await services.store.access_tokens.deny(found.denial, expires_at=found.expires_at, events=[event])
    services.events.emit(event)


def _common(client: Client, request: ClientRequest, services: Services) -> dict[str, Any]:
    return {
        "at": services.clock.now(),
        "correlation_id": request.correlation_id,
        "client_id": client.client_id,
        "ip": request.address,
    }
