"""GET and POST /setup: the first administrator."""

from innkeeper.server.flows import first_administrator as flow
from innkeeper.server.flows.services import Services
from innkeeper.server.web.bodies import from_link
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import forms, wording
from innkeeper.server.web.pages.browsing import browser_of
from innkeeper.server.web.pages.failures import Failure, failed, page_on_failure
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.screens import NoticePage, SetupPage

FORM = "setup"
# The link itself is the secret of this form: nobody else can have its token.
NO_BROWSER = "one-time link"


@page_on_failure
async def show(request: Request, services: Services) -> Response:
    """The form, while the link works."""
    link = from_link(request.query).get("link") or ""
    try:
        await flow.find(link, services)
    except flow.LinkRefused:
        return _link_refused(request, services)
    screen = SetupPage(token=link, csrf=forms.token(services, name=FORM, browser=NO_BROWSER, bound_to=link))
    return html(screen, request, services)


@page_on_failure
async def submit(request: Request, services: Services) -> Response:
    """Creates the administrator and uses up the link, both or neither."""
    fields = forms.fields_of(request, services, name=FORM, browser=NO_BROWSER, bound_by="token")
    link = fields.get("token") or ""
    chosen = flow.Chosen(
        username=fields.get("username") or "",
        email=fields.get("email") or "",
        password=fields.get("password") or "",
    )
    try:
        problem = await flow.create(link, chosen, browser_of(request, services).address, services)
    except flow.LinkRefused:
        return _link_refused(request, services)
    if problem is not None:
        screen = SetupPage(
            token=link,
            csrf=forms.token(services, name=FORM, browser=NO_BROWSER, bound_to=link),
            username=chosen.username,
            email=chosen.email,
            problem=_words(problem),
        )
        return html(screen, request, services, status=400)
    words = wording.SETUP_FINISHED
    return html(NoticePage(title=words.title, message=words.message), request, services)


def _link_refused(request: Request, services: Services) -> Response:
    return failed(
        Failure(
            status=400,
            wording=wording.SETUP_LINK_USED,
            error="setup_link_refused",
            cause="The link is unknown, was used already, or has expired.",
            fix="Print a new one with `innkeeper user link`.",
        ),
        request,
        services,
    )


def _words(problem: str) -> str:
    """The sentence for what the flow found."""
    if problem.startswith("password_"):
        return wording.SETUP_PASSWORD_WEAK
    if problem.startswith("email_"):
        return wording.SETUP_EMAIL_REFUSED
    return wording.SETUP_USERNAME_REFUSED
