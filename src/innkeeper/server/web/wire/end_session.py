"""GET and POST /oidc/logout (OpenID Connect RP-Initiated Logout 1.0 §2)."""

from collections.abc import Callable

from innkeeper.oauth.errors import InvalidRequest
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import sign_out as flow
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol.end_session import UntrustedSignOut
from innkeeper.server.web.bodies import form
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages.browsing import browser_of
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.pages.sign_out import PATH, leave
from innkeeper.server.web.redirects import see_other


@page_on_failure
async def end_session(request: Request, services: Services) -> Response:
    """By GET: out at once, or to our page that asks."""
    asked = flow.read(_readable(lambda: Parameters.from_query(request.query)), services)
    browser = browser_of(request, services)
    outcome = await flow.begin(asked, browser, services)
    if isinstance(outcome, flow.Ask):
        return see_other(f"{PATH}?request={flow.seal(asked, services)}")
    return leave(outcome, services)


@page_on_failure
async def post(request: Request, services: Services) -> Response:
    """By POST. A cross-site POST brings no Lax cookie, so the session is looked at after our own redirect to GET.

    The ID token does not come along: apps post it to keep it out of addresses.
    """
    parameters = _readable(lambda: form(request))
    if request.query:
        raise UntrustedSignOut(
            "parameters_in_two_places",
            "The request has parameters both in its body and in its query.",
            "Send all parameters in one place.",
        )
    asked = flow.read(parameters, services)
    await flow.prove(asked, services)
    return see_other(f"{PATH}?request={flow.seal(asked, services)}")


def _readable(read: Callable[[], Parameters]) -> Parameters:
    try:
        return read()
    except InvalidRequest as error:
        raise UntrustedSignOut(
            "undecodable",
            f"The parameters cannot be read: {error.description}",
            "Send them form-encoded, in UTF-8.",
        ) from error
