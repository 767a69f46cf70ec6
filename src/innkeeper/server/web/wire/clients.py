"""What endpoints for clients have in common: a form or JSON in, an `OAuthError` as JSON out, CORS for the client."""

from collections.abc import Awaitable, Callable

from innkeeper.oauth.errors import OAuthError
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.fresh import new_attempt
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.protocol import client_auth
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web.answers import refused
from innkeeper.server.web.bodies import form_or_json
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.refusals import as_json
from innkeeper.server.web.wire.origins import allowed_for

Answer = Callable[[ClientRequest, Services], Awaitable[Response]]


async def answer_client(
    request: Request, services: Services, answer: Answer, *, for_browsers: bool = True
) -> Response:
    """Success or error, both with CORS headers for the client's own origins, if browsers have business here."""
    authorization = request.header_values(b"authorization")
    origin = request.header(b"origin")
    form = Parameters.from_pairs(())
    try:
        form = form_or_json(request)
        asked = ClientRequest(
            form=form,
            authorization=authorization,
            origin=origin,
            address=request.address,
            correlation_id=request.correlation_id,
            forwarded_for=request.header_values(b"auth0-forwarded-for"),
            path=request.path,
            attempt=new_attempt(services.entropy),
        )
        response = await answer(asked, services)
    except OAuthError as error:
        response = refused(error, used_basic=bool(authorization))
    except (StoreUnavailable, Busy) as away:
        response = as_json(request, away)
    if origin is None or not for_browsers:
        return response
    return response.with_headers(*await _cors(origin, authorization, form, services))


async def _cors(
    origin: str, authorization: list[str], form: Parameters, services: Services
) -> tuple[tuple[bytes, bytes], ...]:
    try:
        client = await services.registry.client(client_auth.identify(authorization, form).client_id)
    except (OAuthError, StoreUnavailable):
        client = None
    return allowed_for(origin, client)
