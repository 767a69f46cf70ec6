"""Whose scripts may read the answers of endpoints that know clients: registered origins, never more (R-EP6, HT-07)."""

from collections.abc import Iterable

from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.web import cors
from innkeeper.server.web.http import Request, Response


def allowed_for(origin: str, client: Client | None) -> cors.Headers:
    """For an answer to a known client: its own origins."""
    return cors.for_origin(origin, allowed=client is not None and origin in client.allowed_origins)


async def is_registered(origin: str, services: Services) -> bool:
    """Some enabled client registered this origin."""
    return bool(await services.store.clients.with_origin(origin))


async def preflight(request: Request, services: Services, *, methods: Iterable[str]) -> Response:
    """The client is not known yet: any registered origin may send its request."""
    origin = request.header(b"origin")
    allowed = origin is not None and await is_registered(origin, services)
    return cors.preflight(origin, allowed=allowed, methods=methods)
