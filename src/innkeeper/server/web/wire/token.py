"""POST /oauth/token (RFC 6749 §3.2)."""

from innkeeper.oauth.errors import OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.services import Services
from innkeeper.server.flows.token import TokenRequest, exchange
from innkeeper.server.protocol import client_auth
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web.answers import refused, secret_json
from innkeeper.server.web.bodies import form_or_json
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.refusals import as_json
from innkeeper.server.web.wire.origins import allowed_for, preflight


async def token(request: Request, services: Services) -> Response:
    """Success or error, both with CORS headers for the client's own origins."""
    authorization = request.header_values(b"authorization")
    origin = request.header(b"origin")
    form = Parameters.from_pairs(())
    try:
        form = form_or_json(request)
        answer = await exchange(
            TokenRequest(
                form=form,
                authorization=authorization,
                origin=origin,
                address=request.address,
                correlation_id=request.correlation_id,
            ),
            services,
        )
        response = secret_json(answer)
    except OAuthError as error:
        response = refused(error, used_basic=bool(authorization))
    except StoreUnavailable as away:
        response = as_json(request, away)
    if origin is None:
        return response
    return response.with_headers(*await _cors(origin, authorization, form, services))


async def options(request: Request, services: Services) -> Response:
    """CORS preflight: the client is not known yet, so any registered origin may go on."""
    return await preflight(request, services, methods=("POST",))


async def _cors(
    origin: str, authorization: list[str], form: Parameters, services: Services
) -> tuple[tuple[bytes, bytes], ...]:
    try:
        client = await services.registry.client(client_auth.identify(authorization, form).client_id)
    except (OAuthError, StoreUnavailable):
        client = None
    return allowed_for(origin, client)
