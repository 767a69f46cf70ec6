"""Between a browser and the flows: cookies in, redirects and cookies out."""

from innkeeper.jose import base64url
from innkeeper.server.flows import authorize as flow
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.web import cookies
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import answers
from innkeeper.server.web.redirects import see_other

BINDING_BYTES = 16
PATH_OF_PAGE = {
    "sign-in": "/sign-in",
    "select-account": "/select-account",
    "device": "/device/confirm",
    "consent": "/consent",
}


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


def follow(outcome: flow.Outcome, browser: Browser, request: Request, services: Services) -> Response:
    """To the client, or to the page that is needed, its interaction sealed for this browser."""
    match outcome:
        case flow.Answer():
            return answers.deliver(outcome, request, services)
        case flow.Show(page=page, interaction=interaction):
            binding, cookie = bound(browser, services)
            handle = interactions.seal(interaction, binding, services.seals)
            return see_other(f"{PATH_OF_PAGE[page]}?interaction={handle}").with_headers(*cookie)


def bound(browser: Browser, services: Services) -> tuple[str, tuple[tuple[bytes, bytes], ...]]:
    """What forms are bound to, and the cookie of a browser that is new.

    Set if absent and never replaced: another tab's sign-in is bound to the one that is there.
    """
    if browser.binding is not None:
        return browser.binding, ()
    binding = base64url.encode(services.entropy.random(BINDING_BYTES))
    name = cookies.browser_cookie_name(services.settings)
    return binding, (cookies.set_cookie(name, binding),)
