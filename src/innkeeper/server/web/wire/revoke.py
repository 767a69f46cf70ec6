"""POST /oauth/revoke (RFC 7009)."""

from innkeeper.server.flows import revoke as flow
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.services import Services
from innkeeper.server.web.answers import NO_STORE
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.wire.clients import answer_client
from innkeeper.server.web.wire.origins import preflight


async def revoke(request: Request, services: Services) -> Response:
    """200 and nothing else, also for a token that is unknown or another client's (§2.2)."""
    return await answer_client(request, services, _revoked)


async def options(request: Request, services: Services) -> Response:
    """CORS preflight: browser apps give their tokens back too (§2.3)."""
    return await preflight(request, services, methods=("POST",))


async def _revoked(request: ClientRequest, services: Services) -> Response:
    await flow.revoke(request, services)
    return Response(headers=(NO_STORE,))
