"""GET and POST /select-account: this account, or another one."""

from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows import select_account as flow
from innkeeper.server.flows import sign_in
from innkeeper.server.flows.authorize import Outcome, Pending
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.web.bodies import from_link
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import forms
from innkeeper.server.web.pages.browsing import browser_of, follow
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.notices import start_from_your_app
from innkeeper.server.web.pages.screens import SelectAccountPage
from innkeeper.server.web.redirects import see_other

FORM = "select-account"


@page_on_failure
async def show(request: Request, services: Services) -> Response:
    """The question, or what comes next when there is none any more."""
    handle = from_link(request.query).get("interaction")
    if handle is None:
        return start_from_your_app(request, services)
    browser = browser_of(request, services)
    return _shown(await flow.view(handle, browser, services), browser, request, services)


@page_on_failure
async def submit(request: Request, services: Services) -> Response:
    """Go on as this person, sign in as another, or go back; anything else shows the question again."""
    browser = browser_of(request, services)
    fields = forms.fields_of(request, services, name=FORM, browser=browser.binding, bound_by="interaction")
    handle = fields.get("interaction") or ""
    match fields.get("action"):
        case "continue":
            return follow(await flow.keep(handle, browser, services), browser, request, services)
        case "switch":
            return see_other(f"/sign-in?switch=1&interaction={handle}")
        case "cancel":
            return follow(await sign_in.cancel(handle, browser, services), browser, request, services)
    return _shown(await flow.view(handle, browser, services), browser, request, services)


def _shown(view: Pending | Outcome, browser: Browser, request: Request, services: Services) -> Response:
    if not isinstance(view, Pending):
        return follow(view, browser, request, services)
    assert browser.binding is not None and view.signed_in is not None
    handle = interactions.seal(flow.asking(view), browser.binding, services.seals)
    user, target = view.signed_in.user, view.request.target
    screen = SelectAccountPage(
        app_name=target.client.name,
        account_name=user.profile.name or user.username,
        account_username=user.username,
        interaction=handle,
        csrf=forms.token(services, name=FORM, browser=browser.binding, bound_to=handle),
    )
    ui_locales = view.request.ui_locales
    return html(screen, request, services, ui_locales=ui_locales, leads_to=(target.redirect_uri,))
