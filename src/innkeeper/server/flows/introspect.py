"""POST /oauth/introspect: an API asks what a token says and whether it lives (RFC 7662). One read, no write."""

from collections.abc import Mapping
from typing import Any

from innkeeper.jose.errors import TokenRefused
from innkeeper.oauth.errors import InvalidClient, InvalidTarget
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import access_tokens
from innkeeper.server.flows.client_authentication import ClientRequest, authenticate
from innkeeper.server.flows.refresh_tokens import presented
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import introspection
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS
from innkeeper.server.protocol.grant_rights import authorization_of
from innkeeper.server.protocol.grants.refresh_token import ends_at
from innkeeper.server.protocol.introspection import INACTIVE
from innkeeper.server.protocol.tokens import refresh_token


async def introspect(request: ClientRequest, services: Services) -> Mapping[str, Any]:
    """The answer. Every kind of token is told by its own form, so no hint is needed (§2.1).

    Raises `OAuthError`, `StoreUnavailable`.
    """
    client = await authenticate(request, services)
    if client.is_public:
        raise InvalidClient("Only an app that authenticates may look into tokens.", detail="public client")
    token = request.form.require("token")
    if token.startswith(refresh_token.PREFIX):
        return await _refresh_token(token, client, services)
    return await _access_token(token, client, services)


async def _access_token(token: str, caller: Client, services: Services) -> Mapping[str, Any]:
    try:
        found = await access_tokens.presented(token, services, services.clock.now())
    except TokenRefused:
        return INACTIVE
    if not found.is_live or not introspection.may_look(
        caller, holder=found.client_id, audience=found.audience
    ):
        return INACTIVE
    return introspection.of_access_token(found.claims, client_id=found.client_id, user=found.user)


async def _refresh_token(token: str, caller: Client, services: Services) -> Mapping[str, Any]:
    """For its owner alone: an API never sees one."""
    family = await presented(token, services)
    if family is None or family.found.family.client_id != caller.client_id:
        return INACTIVE
    found, now = family.found, services.clock.now()
    try:
        authorization = authorization_of(
            found, client=caller, registry=services.registry.snapshot, settings=services.settings, now=now
        )
    except InvalidTarget:  # the API gives this app nothing any more: no words about why (§2.2)
        return INACTIVE
    expires_at = ends_at(found.family, caller.refresh)
    if (
        authorization is None
        or authorization.user is None
        or OFFLINE_ACCESS not in authorization.scope
        or found.grant.revoked_at is not None
        or family.token.generation != found.family.generation
        or now >= expires_at
    ):
        return INACTIVE
    return introspection.of_refresh_token(
        found,
        subject=services.subjects.of(authorization.user, caller),
        scope=authorization.scope & Scope.of(found.family.scope),
        expires_at=expires_at,
        issuer=services.settings.issuer,
    )
