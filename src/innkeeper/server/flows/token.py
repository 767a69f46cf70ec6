"""POST /oauth/token: one fixed order that no grant can skip (RFC 6749 §3.2).

client authentication, known grant, allowed to this client, lookup, decide, prepare, consume, sign, event.
"""

from collections.abc import Sequence
from datetime import datetime

from innkeeper.oauth.errors import (
    AuthorizationPending,
    OAuthError,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import hooks, issue
from innkeeper.server.flows.access_tokens import tokens_of
from innkeeper.server.flows.bearer_assertion import person_asserted
from innkeeper.server.flows.client_authentication import ClientRequest, authenticate
from innkeeper.server.flows.consume import Teller, commit, rooted
from innkeeper.server.flows.deciding import MAX_TRIES, kept_changing
from innkeeper.server.flows.fresh import new_attempt
from innkeeper.server.flows.password import person_with
from innkeeper.server.flows.refresh_tokens import presented
from innkeeper.server.flows.refuse import commit_refusal
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import (
    Event,
    TokenRefused,
)
from innkeeper.server.protocol.grants.base import (
    CodeByHandle,
    Context,
    DeviceByHandle,
    Evidence,
    FamilyByHandle,
    GrantType,
    Lookup,
    PasswordOf,
    PersonByAssertion,
    Refusal,
    TokensByText,
)


async def exchange(request: ClientRequest, services: Services) -> issue.TokenResponse:
    """The tokens. Raises `OAuthError`, `StoreUnavailable`."""
    try:
        return await _exchange(request, services)
    except AuthorizationPending:
        raise  # a device that waits in time, every five seconds: nothing was refused
    except OAuthError as error:
        services.events.emit(_refused(request, error, services.clock.now()))
        raise


async def _exchange(request: ClientRequest, services: Services) -> issue.TokenResponse:
    client = await authenticate(request, services)
    grant = _known_grant(request.form, services.grants)
    attempt = request.attempt or new_attempt(services.entropy)
    for _ in range(MAX_TRIES):
        _check_allowed(grant, client)
        lookup = grant.lookup(request.form)
        now = services.clock.now()
        evidence = await _read(lookup, client, request, services)
        decision = grant.decide(request.form, evidence, _context(client, services, now))
        if isinstance(decision, Refusal):
            if not await commit_refusal(decision, request, client, attempt, services, now):
                continue
            raise decision.error
        decision = await hooks.pre_token(
            decision,
            services,
            grant_type=grant.name,
            address=request.address,
            correlation_id=request.correlation_id,
        )
        consumption = grant.consume(evidence, decision)
        decision = rooted(decision, consumption, services)
        prepared = issue.prepare(decision, services, now, grant_type=grant.name)
        teller = Teller(
            grant_type=grant.name,
            authorization=decision,
            now=now,
            correlation_id=request.correlation_id,
            ip=request.address,
        )
        committed = await commit(consumption, prepared, teller, attempt, services)
        if committed is not None:
            response = issue.finish(prepared, services, committed.refresh_token)
            services.events.emit(committed.event)
            return response
        await services.registry.refresh()
        client = await authenticate(request, services)
    raise kept_changing()


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
        settings=services.settings,
    )


async def _read(lookup: Lookup, client: Client, request: ClientRequest, services: Services) -> Evidence:
    match lookup:
        case CodeByHandle(key) if key is not None:
            return await services.store.codes.read(key)
        case FamilyByHandle(text):
            return await presented(text, services)
        case DeviceByHandle(key) if key is not None:
            return await services.store.device_codes.read(key)
        case PasswordOf():
            return await person_with(lookup, client, request, services)
        case TokensByText():
            return await tokens_of(lookup, services)
        case PersonByAssertion():
            return await person_asserted(lookup, client, services)
        case _:
            return None


def _refused(request: ClientRequest, error: OAuthError, now: datetime) -> Event:
    return TokenRefused(
        at=now,
        correlation_id=request.correlation_id,
        client_id=request.form.get("client_id"),
        ip=request.address,
        error=error.code,
        detail=error.detail or error.description,
    )
