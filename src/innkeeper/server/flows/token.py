"""POST /oauth/token: one fixed order that no grant can skip (RFC 6749 §3.2).

client authentication, known grant, allowed to this client, lookup, decide, prepare, consume, sign, event.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from innkeeper.oauth.errors import (
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import issue
from innkeeper.server.flows.deciding import MAX_TRIES, kept_changing
from innkeeper.server.flows.fresh import new_attempt
from innkeeper.server.flows.services import Services
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import (
    CodeBurnt,
    CodeRedeemed,
    CodeReplayed,
    Event,
    TokenIssued,
    TokenRefused,
)
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.protocol import client_auth
from innkeeper.server.protocol.authorize import MAY_REPEAT
from innkeeper.server.protocol.grants.authorization_code import REFUSED
from innkeeper.server.protocol.grants.base import (
    BurnCode,
    CodeByHandle,
    Consumption,
    Context,
    Evidence,
    GrantType,
    Lookup,
    Nothing,
    RedeemCode,
    Refusal,
)
from innkeeper.server.storage.outcomes import Burnt, Redeemed, Replayed, Stale


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the wire hands over: nothing of HTTP but the header values that the rules name."""

    form: Parameters
    authorization: Sequence[str]
    origin: str | None
    address: str
    correlation_id: str


async def exchange(request: TokenRequest, services: Services) -> issue.TokenResponse:
    """The tokens. Raises `OAuthError`, `StoreUnavailable`."""
    try:
        return await _exchange(request, services)
    except OAuthError as error:
        services.events.emit(_refused(request, error, services.clock.now()))
        raise


async def _exchange(request: TokenRequest, services: Services) -> issue.TokenResponse:
    if repeated := request.form.repeated - MAY_REPEAT:
        raise InvalidRequest(f"Sent more than once: {', '.join(sorted(repeated)[:3])}.")
    client = await authenticate(request, services)
    grant = _known_grant(request.form, services.grants)
    attempt = new_attempt(services.entropy)
    for _ in range(MAX_TRIES):
        _check_allowed(grant, client)
        lookup = grant.lookup(request.form)
        now = services.clock.now()
        evidence = await _read(lookup, services)
        decision = grant.decide(request.form, evidence, _context(client, services, now))
        if isinstance(decision, Refusal):
            await _commit_refusal(decision, request, client, attempt, services, now)
            raise decision.error
        prepared = issue.prepare(decision, services, now)
        consumption = grant.consume(evidence, decision)
        issued = _issued(grant, consumption, prepared, request)
        if await _commit(consumption, issued, prepared, request, attempt, services):
            response = issue.finish(prepared, services)
            services.events.emit(issued)
            return response
        client = await authenticate(request, services)
    raise kept_changing()


async def authenticate(request: TokenRequest, services: Services) -> Client:
    """The proven client, for every endpoint that knows clients."""
    presented = client_auth.identify(request.authorization, request.form)
    client = await services.registry.client(presented.client_id)
    return client_auth.verify(presented, client, origin=request.origin, now=services.clock.now())


def _known_grant(form: Parameters, grants: Sequence[GrantType]) -> GrantType:
    name = form.require("grant_type")
    for grant in grants:
        if grant.name == name:
            return grant
    raise UnsupportedGrantType("This grant_type is not supported.")


def _check_allowed(grant: GrantType, client: Client) -> None:
    if grant.name not in client.grant_types or (client.is_public and not grant.allows_public_clients):
        raise UnauthorizedClient(f"This app may not use grant_type={grant.name}.")


def _context(client: Client, services: Services, now: datetime) -> Context:
    return Context(
        client=client,
        registry=services.registry.snapshot,
        now=now,
        default_audience=services.settings.default_audience,
        userinfo_access_token_s=services.settings.lifetimes.userinfo_access_token_s,
    )


async def _read(lookup: Lookup, services: Services) -> Evidence:
    match lookup:
        case CodeByHandle(key) if key is not None:
            return await services.store.codes.read(key)
        case _:
            return None


async def _commit(
    consumption: Consumption,
    issued: Event,
    prepared: issue.Prepared,
    request: TokenRequest,
    attempt: Attempt,
    services: Services,
) -> bool:
    """The one transition. False: decide again. Raises `InvalidGrant` when another attempt was first."""
    if isinstance(consumption, Nothing):
        return True
    replayed = CodeReplayed(
        **_common(request, prepared.now, prepared.authorization), grant_id=consumption.grant_id
    )
    outcome = await services.store.codes.redeem(
        consumption.key,
        attempt=attempt,
        now=prepared.now,
        epochs=consumption.epochs,
        access_token=prepared.opaque,
        redeemed=[issued],
        replayed=[replayed],
    )
    match outcome:
        case Redeemed():
            return True
        case Stale():
            await services.registry.refresh()
            return False
        case Replayed():
            services.events.emit(replayed)
            raise InvalidGrant(REFUSED, detail="replayed: the grant is revoked")
        case _:
            raise InvalidGrant(REFUSED, detail="expired, or its grant is revoked")


async def _commit_refusal(
    refusal: Refusal,
    request: TokenRequest,
    client: Client,
    attempt: Attempt,
    services: Services,
    now: datetime,
) -> None:
    """Before the answer leaves: a crash after it must not leave the code alive."""
    match refusal.consumption:
        case BurnCode(key=key, grant_id=grant_id):
            burnt = CodeBurnt(
                at=now, correlation_id=request.correlation_id, client_id=client.client_id, ip=request.address,
                grant_id=grant_id,
            )  # fmt: skip
            outcome = await services.store.codes.burn(key, attempt=attempt, now=now, events=[burnt])
            if isinstance(outcome, Burnt):  # not when there was nothing left to burn
                services.events.emit(burnt)
        case Nothing():
            pass


def _common(request: TokenRequest, now: datetime, authorization: Authorization) -> dict[str, Any]:
    return {
        "at": now,
        "correlation_id": request.correlation_id,
        "client_id": authorization.client.client_id,
        "user_id": None if authorization.user is None else authorization.user.user_id,
        "ip": request.address,
    }


def _issued(
    grant: GrantType, consumption: Consumption, prepared: issue.Prepared, request: TokenRequest
) -> Event:
    authorization = prepared.authorization
    common = _common(request, prepared.now, authorization)
    if isinstance(consumption, RedeemCode):
        return CodeRedeemed(**common, grant_id=consumption.grant_id, scope=str(authorization.scope))
    api = None if authorization.api is None else authorization.api.identifier
    return TokenIssued(**common, grant_type=grant.name, api=api, scope=str(authorization.scope))


def _refused(request: TokenRequest, error: OAuthError, now: datetime) -> Event:
    return TokenRefused(
        at=now,
        correlation_id=request.correlation_id,
        client_id=request.form.get("client_id"),
        ip=request.address,
        error=error.code,
        detail=error.detail or error.description,
    )
