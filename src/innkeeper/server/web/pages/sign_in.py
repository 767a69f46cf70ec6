"""GET and POST /sign-in."""

import math
from datetime import timedelta

from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows import sign_in as flow
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.web import cookies
from innkeeper.server.web.bodies import from_link
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import forms
from innkeeper.server.web.pages.browsing import browser_of, follow
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.notices import start_from_your_app
from innkeeper.server.web.pages.screens import SignInPage

FORM = "sign-in"


@page_on_failure
async def show(request: Request, services: Services) -> Response:
    """The form; opened without a pending request it says where to start (R-LG12)."""
    query = from_link(request.query)
    handle = query.get("interaction")
    if handle is None:
        return start_from_your_app(request, services)
    browser = browser_of(request, services)
    switch = query.get("switch") is not None
    shown = await flow.view(handle, browser, services, switch_account=switch)
    if not isinstance(shown, flow.SignInView):
        return follow(shown, browser, request, services)
    return _page(shown, browser, request, services)


@page_on_failure
async def submit(request: Request, services: Services) -> Response:
    """Cancel, or try to sign in."""
    browser = browser_of(request, services)
    fields = forms.fields_of(request, services, name=FORM, browser=browser.binding, bound_by="interaction")
    handle = fields.get("interaction") or ""
    if fields.get("action") == "cancel":
        return follow(await flow.cancel(handle, browser, services), browser, request, services)
    result = await flow.submit(
        handle, fields.get("username") or "", fields.get("password") or "", browser, services
    )
    if isinstance(result, flow.SignInView):
        return _page(result, browser, request, services)
    name = cookies.session_cookie_name(services.settings)
    signed_in = follow(result.outcome, browser, request, services)
    return signed_in.with_headers(cookies.set_cookie(name, result.session_cookie))


def _page(view: flow.SignInView, browser: Browser, request: Request, services: Services) -> Response:
    assert browser.binding is not None
    handle = interactions.seal(view.interaction, browser.binding, services.seals)
    screen = SignInPage(
        app_name=view.target.client.name,
        interaction=handle,
        csrf=forms.token(services, name=FORM, browser=browser.binding, bound_to=handle),
        username=view.username,
        problem=view.problem,
        retry_after_minutes=None if view.retry_after is None else _minutes(view.retry_after),
    )
    response = html(
        screen,
        request,
        services,
        status=_status(view),
        ui_locales=view.interaction.request().get("ui_locales"),
        leads_to=view.target.leads_to,
    )
    if view.retry_after is not None:
        seconds = max(1, math.ceil(view.retry_after.total_seconds()))
        response = response.with_headers((b"retry-after", str(seconds).encode()))
    return response


def _status(view: flow.SignInView) -> int:
    if view.problem is None:
        return 200
    return 429 if view.problem == "throttled" else 400


def _minutes(wait: timedelta) -> int:
    return max(1, math.ceil(wait / timedelta(minutes=1)))
