"""POST /oauth/device/code (RFC 8628 §3.1)."""

from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.device_code import start
from innkeeper.server.flows.services import Services
from innkeeper.server.web.answers import secret_json
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.wire.clients import answer_client
from innkeeper.server.web.wire.origins import preflight


async def device_code(request: Request, services: Services) -> Response:
    """Success or error, both with CORS headers for the client's own origins."""
    return await answer_client(request, services, _codes)


async def options(request: Request, services: Services) -> Response:
    """CORS preflight: a television may well be a browser."""
    return await preflight(request, services, methods=("POST",))


async def _codes(request: ClientRequest, services: Services) -> Response:
    return secret_json(await start(request, services))
