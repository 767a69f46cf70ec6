"""POST /oauth/token (RFC 6749 §3.2)."""

from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.services import Services
from innkeeper.server.flows.token import exchange
from innkeeper.server.web.answers import secret_json
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.wire.clients import answer_client
from innkeeper.server.web.wire.origins import preflight


async def token(request: Request, services: Services) -> Response:
    """Success or error, both with CORS headers for the client's own origins."""
    return await answer_client(request, services, _tokens)


async def options(request: Request, services: Services) -> Response:
    """CORS preflight: the client is not known yet, so any registered origin may go on."""
    return await preflight(request, services, methods=("POST",))


async def _tokens(request: ClientRequest, services: Services) -> Response:
    return secret_json(await exchange(request, services))
