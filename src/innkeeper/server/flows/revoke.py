"""POST /oauth/revoke: an app gives a token back (RFC 7009)."""

from typing import Any

from innkeeper.jose.errors import TokenRefused
from innkeeper.oauth.errors import InvalidRequest
from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.client_authentication import ClientRequest, authenticate
from innkeeper.server.flows.refresh_tokens import presented
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import AccessTokenDenied, GrantRevoked
from innkeeper.server.model.handle import key_of
from innkeeper.server.protocol.tokens import refresh_token


async def revoke(request: ClientRequest, services: Services) -> None:
    """Done when it returns. Unknown, ended and foreign tokens change nothing and tell nothing (§2.2).

    Every kind is told by its own form, so a wrong `token_type_hint` hides nothing (§2.1). Raises `OAuthError`,
    `StoreUnavailable`.
    """
    if request.form.repeated:
        raise InvalidRequest(f"Sent more than once: {', '.join(sorted(request.form.repeated)[:3])}.")
    client = await authenticate(request, services)
    token = request.form.require("token")
    if token.startswith(refresh_token.PREFIX):
        await _revoke_grant(token, client, request, services)
    elif token.startswith("ik_at_"):
        await _deny_opaque(token, client, request, services)
    else:
        await _deny_jwt(token, client, request, services)


async def _revoke_grant(token: str, client: Client, request: ClientRequest, services: Services) -> None:
    """Any member of the family ends the whole authorization; what the person allowed stays allowed."""
    found = await presented(token, services)
    if found is None or found.found.family.client_id != client.client_id:
        return
    grant = found.found.grant
    event = GrantRevoked(**_common(client, request, services), user_id=grant.user_id, grant_id=grant.grant_id)
    await services.store.grants.revoke(grant.grant_id, now=event.at, events=[event])
    services.events.emit(event)


async def _deny_opaque(token: str, client: Client, request: ClientRequest, services: Services) -> None:
    key = key_of("ik_at_", token)
    found = None if key is None else await services.store.grants.opaque_standing(key)
    if key is None or found is None or found.standing.grant.client_id != client.client_id:
        return
    grant = found.standing.grant
    event = AccessTokenDenied(
        **_common(client, request, services), user_id=grant.user_id, grant_id=grant.grant_id
    )
    await services.store.grants.deny(key, expires_at=found.expires_at, events=[event])
    services.events.emit(event)


async def _deny_jwt(token: str, client: Client, request: ClientRequest, services: Services) -> None:
    """Only this one. A guard that does not ask honours it until its `exp`."""
    now = services.clock.now()
    try:
        claims = access_tokens.verified(token, services, now)
    except TokenRefused:
        return
    if claims.client_id != client.client_id:
        return
    user_id = None if claims.sub == client.client_id else claims.sub
    grant_id = "" if user_id is None else access_tokens.grant_of(claims)
    event = AccessTokenDenied(**_common(client, request, services), user_id=user_id, grant_id=grant_id)
    denial = access_tokens.denied_under(claims)
    await services.store.grants.deny(denial, expires_at=claims.exp, events=[event])
    services.events.emit(event)


def _common(client: Client, request: ClientRequest, services: Services) -> dict[str, Any]:
    return {
        "at": services.clock.now(),
        "correlation_id": request.correlation_id,
        "client_id": client.client_id,
        "ip": request.address,
    }
