"""GET and POST /sign-out: asks whether the person wants to sign out, and says that they are."""

from typing import Final
from urllib.parse import urlencode, urlsplit

from innkeeper.jose import base64url
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import sign_out as flow
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol.end_session import SignOutRequest
from innkeeper.server.web import cookies
from innkeeper.server.web.bodies import from_link
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import forms, wording
from innkeeper.server.web.pages.browsing import BINDING_BYTES, browser_of
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.screens import NoticePage, SignedOutPage, SignOutPage
from innkeeper.server.web.redirects import see_other

PATH: Final = "/sign-out"
FORM: Final = "sign-out"


@page_on_failure
async def show(request: Request, services: Services) -> Response:
    """The question, or what comes next when nobody has to be asked."""
    asked = _asked(from_link(request.query), services)
    browser = browser_of(request, services)
    outcome = await flow.begin(asked, browser, services)
    if isinstance(outcome, flow.Ask):
        return _page(outcome, browser, request, services)
    if outcome.location is not None:
        return leave(outcome, services)
    return _signed_out(asked, request, services)


@page_on_failure
async def submit(request: Request, services: Services) -> Response:
    """Sign out, or stay."""
    browser = browser_of(request, services)
    fields = forms.fields_of(request, services, name=FORM, browser=browser.binding, bound_by="request")
    asked = _asked(fields, services)
    if fields.get("action") != "sign_out":
        words = wording.STILL_SIGNED_IN
        screen = NoticePage(title=words.title, message=words.message)
        return html(screen, request, services, ui_locales=asked.ui_locales)
    outcome = await flow.confirm(asked, browser, services)
    if isinstance(outcome, flow.Ask):
        return _page(outcome, browser, request, services)
    return leave(outcome, services)


def leave(outcome: flow.SignedOut, services: Services) -> Response:
    """To the app, or to our page that says so; the cookie goes."""
    location = outcome.location
    if location is None:
        locales = outcome.request.ui_locales
        location = PATH if locales is None else f"{PATH}?{urlencode({'ui_locales': locales})}"
    return see_other(location).with_headers(_without_session(services))


def _asked(parameters: Parameters, services: Services) -> SignOutRequest:
    handle = parameters.get("request")
    if handle is None:
        return SignOutRequest(ui_locales=parameters.get("ui_locales"))
    return flow.unseal(handle, services)


def _page(ask: flow.Ask, browser: Browser, request: Request, services: Services) -> Response:
    binding = browser.binding or base64url.encode(services.entropy.random(BINDING_BYTES))
    handle = flow.seal(ask.request, services)
    user = ask.person.user
    screen = SignOutPage(
        app_name=None if ask.client is None else ask.client.name,
        redirect_host=None if ask.location is None else _host(ask.location),
        account_name=user.profile.name or user.username,
        account_username=user.username,
        request=handle,
        csrf=forms.token(services, name=FORM, browser=binding, bound_to=handle),
    )
    leads_to = () if ask.location is None else (ask.location,)
    response = html(screen, request, services, ui_locales=ask.request.ui_locales, leads_to=leads_to)
    if browser.binding is None:
        name = cookies.browser_cookie_name(services.settings)
        response = response.with_headers(cookies.set_cookie(name, binding))
    return response


def _signed_out(asked: SignOutRequest, request: Request, services: Services) -> Response:
    response = html(SignedOutPage(), request, services, ui_locales=asked.ui_locales)
    return response.with_headers(_without_session(services))


def _without_session(services: Services) -> tuple[bytes, bytes]:
    return cookies.clear_cookie(cookies.session_cookie_name(services.settings))


def _host(location: str) -> str:
    parts = urlsplit(location)
    return parts.netloc or f"{parts.scheme}:"
