"""GET and POST /consent: what an app asks for, or whether it was this person who started it."""

from urllib.parse import urlsplit

from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import consent as flow
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.authorize import Pending
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.model.api import Api
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS
from innkeeper.server.protocol.interaction import AskConsent
from innkeeper.server.web.bodies import from_link
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import forms
from innkeeper.server.web.pages.browsing import browser_of, follow
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.notices import start_from_your_app
from innkeeper.server.web.pages.screens import ConsentPage, ScopeChoice, ScopeGroup

FORM = "consent"


@page_on_failure
async def show(request: Request, services: Services) -> Response:
    """The question, or what comes next when there is none any more."""
    handle = from_link(request.query).get("interaction")
    if handle is None:
        return start_from_your_app(request, services)
    browser = browser_of(request, services)
    pending = await flow.view(handle, browser, services)
    if not isinstance(pending, Pending):
        return follow(pending, browser, request, services)
    return _page(pending, browser, request, services)


@page_on_failure
async def submit(request: Request, services: Services) -> Response:
    """Allow or deny; anything else shows the question again."""
    browser = browser_of(request, services)
    fields = forms.fields_of(request, services, name=FORM, browser=browser.binding, bound_by="interaction")
    handle = fields.get("interaction") or ""
    action = fields.get("action")
    if action == "allow":
        ticked = [value for name, value in fields.pairs if name == "scope"]
        return follow(await flow.allow(handle, ticked, browser, services), browser, request, services)
    if action == "deny":
        return follow(await flow.deny(handle, browser, services), browser, request, services)
    pending = await flow.view(handle, browser, services)
    if not isinstance(pending, Pending):
        return follow(pending, browser, request, services)
    return _page(pending, browser, request, services)


def _page(pending: Pending, browser: Browser, request: Request, services: Services) -> Response:
    assert browser.binding is not None and pending.signed_in is not None
    handle = interactions.seal(flow.asking(pending), browser.binding, services.seals)
    client, user = pending.request.target.client, pending.signed_in.user
    device = pending.request.target.device
    missing = pending.step.missing if isinstance(pending.step, AskConsent) else Scope()
    screen = ConsentPage(
        app_name=client.name,
        is_third_party=not client.is_first_party,
        publisher=client.publisher,
        redirect_host=_host(pending.request.target.redirect_uri),
        account_name=user.profile.name or user.username,
        account_username=user.username,
        groups=_groups(missing, pending.request.api),
        offline=OFFLINE_ACCESS in missing,
        interaction=handle,
        csrf=forms.token(services, name=FORM, browser=browser.binding, bound_to=handle),
        switch_account_url=f"/sign-in?switch=1&interaction={handle}",
        confirm_only=not isinstance(pending.step, AskConsent),
        user_code=None if device is None else device.reference.user_code,
    )
    return html(
        screen,
        request,
        services,
        ui_locales=pending.request.ui_locales,
        leads_to=pending.request.target.leads_to,
    )


def _groups(missing: Scope, api: Api | None) -> tuple[ScopeGroup, ...]:
    described = {} if api is None else {scope.value: scope.description for scope in api.scopes}
    identity = tuple(
        ScopeChoice(value=name, required=name in flow.REQUIRED)
        for name in missing
        if name not in described and name != OFFLINE_ACCESS  # which has a box of its own
    )
    of_api = tuple(
        ScopeChoice(value=name, description=described[name]) for name in missing if name in described
    )
    groups = [ScopeGroup(title=None, scopes=identity)] if identity else []
    if of_api and api is not None:
        groups.append(ScopeGroup(title=api.name, scopes=of_api))
    return tuple(groups)


def _host(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return parts.netloc or f"{parts.scheme}:"
