"""Pages that only tell: the start page, and where to begin."""

from innkeeper import __version__
from innkeeper.server.flows.services import Services
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import wording
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.screens import HomePage, NoticePage


async def home(request: Request, services: Services) -> Response:
    """GET /."""
    issuer = services.settings.issuer
    discovery_url = issuer.removesuffix("/") + "/.well-known/openid-configuration"
    screen = HomePage(issuer=issuer, product_version=__version__, discovery_url=discovery_url)
    return html(screen, request, services)


def start_from_your_app(request: Request, services: Services) -> Response:
    """A sign-in page that was bookmarked has nothing to sign in to."""
    words = wording.START_FROM_YOUR_APP
    return html(NoticePage(title=words.title, message=words.message), request, services, status=400)
