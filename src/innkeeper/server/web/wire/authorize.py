"""GET and POST /authorize (RFC 6749 §3.1, OIDC Core §3.1.2.1)."""

from innkeeper.oauth.errors import InvalidRequest, UntrustedRequest
from innkeeper.server.flows import authorize as flow
from innkeeper.server.flows.services import Services
from innkeeper.server.web.bodies import form, from_link, undecodable
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.browsing import browser_of, follow, see_other
from innkeeper.server.web.pages.failures import page_on_failure


@page_on_failure
async def authorize(request: Request, services: Services) -> Response:
    """By GET: the road of every sign-in begins here."""
    parameters = from_link(request.query)
    browser = browser_of(request, services)
    return follow(await flow.begin(parameters, browser, services), browser, services)


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
    return see_other("/authorize?" + request.body.decode("ascii"))
