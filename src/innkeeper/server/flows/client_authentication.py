"""Who is calling: one verifier for every endpoint that knows clients (RFC 6749 §2.3)."""

from collections.abc import Sequence

import msgspec

from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.protocol import client_auth


class ClientRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the wire hands over: nothing of HTTP but the header values that the rules name."""

    form: Parameters
    authorization: Sequence[str]
    origin: str | None
    address: str
    correlation_id: str
    forwarded_for: Sequence[str] = ()
    """`auth0-forwarded-for`: whose address it is, says the client. Believed of few (R-PW7)."""


async def authenticate(request: ClientRequest, services: Services) -> Client:
    """The proven client. Raises `OAuthError`, `StoreUnavailable`."""
    who = client_auth.identify(request.authorization, request.form)
    client = await services.registry.client(who.client_id)
    return client_auth.verify(who, client, origin=request.origin, now=services.clock.now())
