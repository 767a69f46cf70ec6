"""Access tokens that come back to us: which kind, what they say, and whether they live. One read each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from innkeeper.jose import jwt
from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows.services import Services
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.handle import denial_key, key_of
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, HandleKey
from innkeeper.server.model.user import User
from innkeeper.server.protocol.discovery import userinfo_endpoint
from innkeeper.server.protocol.grants.base import ExchangeTokens, LiveToken, TokensByText
from innkeeper.server.protocol.liveness import is_client_token_live, is_live
from innkeeper.server.protocol.tokens import access_token
from innkeeper.server.storage.outcomes import ClientStanding, GrantStanding, OpaqueStanding

OPAQUE_PREFIX: Final = "ik_at_"
_ROUNDED_AWAY: Final = timedelta(seconds=1)


class PresentedToken(msgspec.Struct, frozen=True, kw_only=True):
    """An access token of ours that has not expired. `grant` and `user` are None for a client's own."""

    client_id: ClientId
    audience: tuple[str, ...]
    scope: Scope
    claims: Mapping[str, Any]
    grant: Grant | None
    user: User | None
    is_live: bool
    denial: HandleKey
    """Under which it is denied."""
    expires_at: datetime


async def presented(token: str, services: Services, now: datetime) -> PresentedToken:
    """The token, whatever its form. Raises `TokenRefused` for what is none of ours, or over."""
    key = key_of(OPAQUE_PREFIX, token)
    if key is None:
        return await _jwt(_verified(token, services, now), services, now)
    found = await services.store.access_tokens.opaque_standing(key)
    if found is None:
        raise TokenRefused("unknown", "no such token")
    if now >= found.token.expires_at:
        raise TokenRefused("expired", "its time is over")
    return await _opaque(found, services, now)


async def _opaque(found: OpaqueStanding, services: Services, now: datetime) -> PresentedToken:
    token, standing = found.token, found.standing
    grant = standing.grant if isinstance(standing, GrantStanding) else None
    endpoint = userinfo_endpoint(services.settings.issuer)
    said = access_token.said_by(token, grant, issuer=services.settings.issuer, userinfo_endpoint=endpoint)
    audience = said["aud"]
    return PresentedToken(
        client_id=token.client_id,
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        scope=Scope(token.scope),
        claims=said,
        grant=grant,
        user=standing.user if isinstance(standing, GrantStanding) else None,
        is_live=_has_api(token.api, token.issued_at, services)
        and _is_live(standing, token.client_epoch, token.issued_at, now)
        and await _holder_stands(standing, token.client_id, token.client_epoch, token.issued_at, services),
        denial=token.key,
        expires_at=token.expires_at,
    )


async def _jwt(claims: jwt.Claims, services: Services, now: datetime) -> PresentedToken:
    client_id, grant_id = ClientId(access_token.client_of(claims)), access_token.grant_of(claims)
    denial = denial_key(claims.jti or "", int(claims.exp.timestamp()))
    standing: GrantStanding | ClientStanding | None
    if grant_id is None:
        standing = await services.store.access_tokens.client_standing(client_id, denial)
    else:
        standing = await services.store.grants.standing(grant_id, denial)
    epoch = access_token.client_epoch_of(claims)
    of_person = standing if isinstance(standing, GrantStanding) else None
    endpoint = userinfo_endpoint(services.settings.issuer)
    is_known = all(
        _has_api(ApiIdentifier(name), claims.iat, services) for name in claims.aud if name != endpoint
    )
    return PresentedToken(
        client_id=client_id,
        audience=claims.aud,
        scope=Scope.parse(claims.scope),
        claims=claims,
        grant=None if of_person is None else of_person.grant,
        user=None if of_person is None else of_person.user,
        is_live=is_known
        and _is_live(standing, epoch, claims.iat, now)
        and await _holder_stands(standing, client_id, epoch, claims.iat, services),
        denial=denial,
        expires_at=claims.exp,
    )


def _is_live(
    standing: GrantStanding | ClientStanding | None,
    client_epoch: int | None,
    issued_at: datetime | None,
    now: datetime,
) -> bool:
    if isinstance(standing, ClientStanding):
        return is_client_token_live(standing, client_epoch, issued_at)
    return is_live(standing, now)


async def _holder_stands(
    standing: GrantStanding | ClientStanding | None,
    holder: ClientId,
    client_epoch: int | None,
    issued_at: datetime | None,
    services: Services,
) -> bool:
    """A token that was exchanged stands on a grant of another client's, so whoever holds it is asked for too."""
    if not isinstance(standing, GrantStanding) or standing.grant.client_id == holder:
        return True
    return is_client_token_live(
        await services.store.access_tokens.client_standing(holder), client_epoch, issued_at
    )


async def tokens_of(lookup: TokensByText, services: Services) -> ExchangeTokens:
    """The tokens of an exchange (RFC 8693 §2.1), each by one read."""
    now = services.clock.now()
    return ExchangeTokens(
        subject=await _alive(lookup.subject, services, now),
        actor=None if lookup.actor is None else await _alive(lookup.actor, services, now),
    )


async def _alive(text: str, services: Services, now: datetime) -> LiveToken | None:
    try:
        found = await presented(text, services, now)
    except TokenRefused:
        return None
    if not found.is_live:
        return None
    return LiveToken(
        client_id=found.client_id,
        subject=found.claims["sub"],
        audience=found.audience,
        scope=found.scope,
        grant=found.grant,
        user=found.user,
        expires_at=found.expires_at,
        act=found.claims.get("act"),
    )


def _has_api(name: ApiIdentifier | None, issued_at: datetime | None, services: Services) -> bool:
    """A token for an API that was deleted is for nothing, also when another API has taken its name since."""
    if name is None:
        return True
    api = services.registry.snapshot.apis.get(name)
    # `iat` is in whole seconds: within one second nothing can be told apart.
    return api is not None and issued_at is not None and not api.is_younger_than(issued_at + _ROUNDED_AWAY)


def _verified(token: str, services: Services, now: datetime) -> jwt.Claims:
    """An access token that we signed: told by its `typ`, or in the other profile by everything it says."""
    try:
        return _verified_as(access_token.TYP, token, services, now)
    except TokenRefused as refused:
        if refused.code != "type":
            raise
    claims = _verified_as(access_token.AUTH0_TYP, token, services, now)
    if not access_token.is_auth0_access_token(claims):
        raise TokenRefused("type", "the token is of another type")
    return claims


def _verified_as(typ: str, token: str, services: Services, now: datetime) -> jwt.Claims:
    return jwt.verify(
        token,
        services.keys.verification_keys(now),
        algorithms=SIGNING_ALGORITHMS,
        typ=typ,
        now=now,
        issuer=services.settings.issuer,
        audience=None,
        leeway=timedelta(0),
    )
