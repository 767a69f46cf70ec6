"""Between a browser and the flows: cookies in, redirects and cookies out."""

from innkeeper.jose import base64url
from innkeeper.server.flows import authorize as flow
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.web import cookies
from innkeeper.server.web.http import Request, Response

BINDING_BYTES = 16
PATH_OF_PAGE = {"sign-in": "/sign-in", "select-account": "/select-account", "consent": "/consent"}


def browser_of(request: Request, services: Services) -> Browser:
    """Our two cookies and where the request came from."""
    return Browser(
        # An empty one binds nothing: forms would be refused until somebody deletes it.
        binding=cookies.read(request, cookies.browser_cookie_name(services.settings)) or None,
        session=cookies.read(request, cookies.session_cookie_name(services.settings)),
        address=request.address,
        correlation_id=request.correlation_id,
        label=request.header(b"user-agent") or "",
    )


def see_other(location: str) -> Response:
    """303, never 307: the credentials that were posted here go nowhere else (RFC 9700 §4.12)."""
    return Response(
        status=303, headers=((b"location", location.encode("ascii")), (b"cache-control", b"no-store"))
    )


def follow(outcome: flow.Outcome, browser: Browser, services: Services) -> Response:
    """To the client, or to the page that is needed, its interaction sealed for this browser."""
    match outcome:
        case flow.Redirect(location=location):
            return see_other(location)
        case flow.Show(page=page, interaction=interaction):
            binding = browser.binding
            # Set if absent and never replaced: another tab's sign-in is bound to the one that is there.
            is_new = binding is None
            if binding is None:
                binding = base64url.encode(services.entropy.random(BINDING_BYTES))
            handle = interactions.seal(interaction, binding, services.seals)
            response = see_other(f"{PATH_OF_PAGE[page]}?interaction={handle}")
            if is_new:
                name = cookies.browser_cookie_name(services.settings)
                response = response.with_headers(cookies.set_cookie(name, binding))
            return response
