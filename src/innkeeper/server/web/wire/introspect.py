"""POST /oauth/introspect (RFC 7662)."""

from innkeeper.server.flows import introspect as flow
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.services import Services
from innkeeper.server.web.answers import secret_json
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.wire.clients import answer_client


async def introspect(request: Request, services: Services) -> Response:
    """Success or error. APIs ask from servers, so no browser's script may read the answer."""
    return await answer_client(request, services, _introspected, for_browsers=False)


async def _introspected(request: ClientRequest, services: Services) -> Response:
    return secret_json(await flow.introspect(request, services))
