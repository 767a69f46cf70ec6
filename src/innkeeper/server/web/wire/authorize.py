"""GET and POST /authorize (RFC 6749 §3.1, OIDC Core §3.1.2.1)."""

from urllib.parse import urlencode

from innkeeper.oauth.errors import InvalidRequest, UntrustedRequest
from innkeeper.server.flows import authorize as flow
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol.target import too_large
from innkeeper.server.web.bodies import form, from_link, undecodable
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.browsing import browser_of, follow
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.redirects import see_other
from innkeeper.server.web.request_head import MAX_TARGET_BYTES


@page_on_failure
async def authorize(request: Request, services: Services) -> Response:
    """By GET: the road of every sign-in begins here."""
    parameters = from_link(request.query)
    browser = browser_of(request, services)
    return follow(await flow.begin(parameters, browser, services), browser, request, services)


@page_on_failure
async def post(request: Request, services: Services) -> Response:
    """By POST. A cross-site POST brings no Lax cookie, so cookies are read only after our own redirect to GET."""
    try:
        parameters = form(request)
    except InvalidRequest as error:
        raise undecodable(error) from error
    if request.query:
        raise UntrustedRequest(
            "parameters_in_two_places",
            "The request has parameters both in its body and in its query.",
            "Send all parameters in one place.",
        )
    await flow.find_target(parameters, services)
    # Written anew: a line break that stood in the body as it is would begin another header.
    location = "/authorize?" + urlencode(parameters.pairs)
    if len(location) > MAX_TARGET_BYTES:
        raise too_large(
            f"The parameters need {len(location)} bytes in a link, {MAX_TARGET_BYTES} can be taken."
        )
    return see_other(location)
