"""Who is calling: one verifier for every endpoint that knows clients (RFC 6749 §2.3, RFC 7521 §4.2)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from innkeeper.jose.errors import SealBroken
from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.errors import InvalidClient, InvalidRequest, TooManyFailures
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.fresh import new_attempt
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.protocol import client_assertion, client_auth
from innkeeper.server.protocol.authorize import MAY_REPEAT
from innkeeper.server.protocol.client_assertion import Assertion, Audience
from innkeeper.server.protocol.client_auth.base import Facts, Presented
from innkeeper.server.protocol.discovery import token_endpoint
from innkeeper.server.storage.outcomes import AlreadyClaimed

TOO_MANY: Final = "Too many failed client authentications from this address. Try again in {seconds} seconds."


class ClientRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the wire hands over: nothing of HTTP but the header values that the rules name."""

    form: Parameters
    authorization: Sequence[str]
    origin: str | None
    address: str
    correlation_id: str
    forwarded_for: Sequence[str] = ()
    """`auth0-forwarded-for`: whose address it is, says the client. Believed of few (R-PW7)."""
    path: str = ""
    """Below the issuer: assertions of some apps may name the endpoint that they are sent to."""
    attempt: Attempt = Attempt(b"")
    """Once per request: deciding again on moved records is not a second use of an assertion."""


async def authenticate(request: ClientRequest, services: Services) -> Client:
    """The proven client. Raises `OAuthError`, `StoreUnavailable`.

    After many failures from one address nothing is verified for it any more, for a while (RFC 6749 §2.3.1).
    """
    now = services.clock.now()
    wait = services.failed_clients.wait(request.address, now)
    if wait is not None:
        seconds = max(1, -int(-wait.total_seconds() // 1))
        raise TooManyFailures(TOO_MANY.format(seconds=seconds), retry_after_s=seconds)
    try:
        return await _proved(request, services)
    except InvalidClient:
        services.failed_clients.count(request.address, now)
        raise


async def _proved(request: ClientRequest, services: Services) -> Client:
    """An assertion is claimed last, when nothing else speaks against it: one that is refused is still unused."""
    if repeated := request.form.repeated - MAY_REPEAT:  # RFC 6749 §3.2: which of them would be meant?
        raise InvalidRequest(f"Sent more than once: {', '.join(sorted(repeated)[:3])}.")
    who = client_auth.identify(request.authorization, request.form)
    known = await services.registry.client(who.client_id)
    facts = await _facts(who, known, request, services)
    client = client_auth.verify(who, known, facts, origin=request.origin)
    if who.assertion is not None:
        await _claim(who.assertion, request, services)
    return client


async def _facts(who: Presented, client: Client | None, request: ClientRequest, services: Services) -> Facts:
    now = services.clock.now()
    issuer = services.settings.issuer
    endpoints = (token_endpoint(issuer), issuer.removesuffix("/") + request.path)
    audience = Audience(issuer=issuer, endpoints=endpoints)
    if who.assertion is None or client is None or not client_auth.takes(client, who.method):
        return Facts(now=now, audience=audience)
    if who.method == "client_secret_jwt":
        return Facts(now=now, audience=audience, secrets=_secrets(client, services, now))
    keys = await _keys(who.assertion, client, audience, services, now)
    return Facts(now=now, audience=audience, keys=keys)


async def _keys(
    assertion: Assertion, client: Client, audience: Audience, services: Services, now: datetime
) -> KeySet:
    """Nobody is asked for keys on behalf of an assertion that is no good whatever its signature."""
    may_name_endpoint = client.accepts_endpoint_audience
    token = assertion.token
    if (
        token.alg not in client_assertion.KEY_ALGORITHMS
        or client_assertion.fault(assertion, audience, now, may_name_endpoint=may_name_endpoint) is not None
    ):
        return KeySet(())
    return await services.client_keys.of(client, alg=token.alg, kid=token.header.get("kid"), now=now)


def _secrets(client: Client, services: Services, now: datetime) -> tuple[bytes, ...]:
    """What is sealed under another master secret cannot be opened, and proves nothing."""
    opened = []
    for secret in client.secrets:
        if secret.sealed is None or (secret.expires_at is not None and now >= secret.expires_at):
            continue
        try:
            opened.append(
                services.at_rest.open("at-rest", secret.sealed, associated=sealed_for(client.client_id))
            )
        except SealBroken:
            continue
    return tuple(opened)


def sealed_for(client_id: str) -> bytes:
    """A secret is sealed for its app: in another app's record it opens as nothing."""
    return b"client-secret|" + client_id.encode()


async def _claim(assertion: Assertion, request: ClientRequest, services: Services) -> None:
    """Its own transition, before the grant's: if that one is refused, the assertion is used up all the same."""
    outcome = await services.store.assertion_ids.claim(
        assertion.digest,
        expires_at=assertion.expires_at + client_assertion.SKEW,
        attempt=request.attempt or new_attempt(services.entropy),
    )
    if isinstance(outcome, AlreadyClaimed):
        raise InvalidClient(
            f"{client_auth.REFUSED} About the assertion: Its jti was used before: make a new one for every request.",
            detail="assertion replayed",
        )
