"""GET and POST /device, /device/confirm: a code is entered, then somebody says that they started it (RFC 8628 §3.3)."""

import math
from datetime import timedelta

from innkeeper.server.flows import device as flow
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.authorize import Pending
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.services import Services
from innkeeper.server.web.bodies import from_link
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.pages import forms, wording
from innkeeper.server.web.pages.browsing import bound, browser_of, follow
from innkeeper.server.web.pages.failures import page_on_failure
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.screens import DeviceCodePage, DeviceConfirmPage, NoticePage
from innkeeper.server.web.pages.wording import Wording

CODE_FORM = "device-code"
CONFIRM_FORM = "device-confirm"
MAX_TYPED_LENGTH = 40


@page_on_failure
async def show(request: Request, services: Services) -> Response:
    """The field for the code. A complete link skips the typing, never the question that comes next."""
    browser, typed = browser_of(request, services), from_link(request.query).get("user_code")
    if typed is None:
        return _code_page("", None, browser, request, services)
    if not _is_visit(request):
        return _code_page(typed, None, browser, request, services)
    return await _entered(typed, browser, request, services)


@page_on_failure
async def submit(request: Request, services: Services) -> Response:
    """The code that was typed."""
    browser = browser_of(request, services)
    fields = forms.fields_of(request, services, name=CODE_FORM, browser=browser.binding, bound_by="form")
    return await _entered(fields.get("user_code") or "", browser, request, services)


@page_on_failure
async def ask(request: Request, services: Services) -> Response:
    """The same code, who asks, from where: did you start this?"""
    handle = from_link(request.query).get("interaction")
    browser = browser_of(request, services)
    if handle is None:
        return _code_page("", None, browser, request, services)
    pending = await flow.view(handle, browser, services)
    if not isinstance(pending, Pending):
        return follow(pending, browser, request, services)
    return _confirm_page(pending, browser, request, services)


@page_on_failure
async def answer(request: Request, services: Services) -> Response:
    """Yes or no; anything else shows the question again."""
    browser = browser_of(request, services)
    fields = forms.fields_of(
        request, services, name=CONFIRM_FORM, browser=browser.binding, bound_by="interaction"
    )
    handle = fields.get("interaction") or ""
    action = fields.get("action")
    if action == "confirm":
        return follow(await flow.confirm(handle, browser, services), browser, request, services)
    if action == "deny":
        return follow(await flow.deny(handle, browser, services), browser, request, services)
    pending = await flow.view(handle, browser, services)
    if not isinstance(pending, Pending):
        return follow(pending, browser, request, services)
    return _confirm_page(pending, browser, request, services)


async def connected(request: Request, services: Services) -> Response:
    """Go back to your device."""
    return _notice(wording.DEVICE_CONNECTED, request, services)


async def refused(request: Request, services: Services) -> Response:
    """Nothing was allowed."""
    return _notice(wording.DEVICE_REFUSED, request, services)


async def _entered(typed: str, browser: Browser, request: Request, services: Services) -> Response:
    found = await flow.enter(typed[: MAX_TYPED_LENGTH + 1], browser, services)
    if isinstance(found, flow.CodeRefused):
        return _code_page(typed, found, browser, request, services)
    return follow(found, browser, request, services)


def _is_visit(request: Request) -> bool:
    """A page of somebody else's can make many browsers load our links as pictures, and guess with them."""
    return all(destination == "document" for destination in request.header_values(b"sec-fetch-dest"))


def _code_page(
    typed: str, refused: flow.CodeRefused | None, browser: Browser, request: Request, services: Services
) -> Response:
    binding, cookie = bound(browser, services)
    wait = None if refused is None else refused.retry_after
    screen = DeviceCodePage(
        csrf=forms.token(services, name=CODE_FORM, browser=binding, bound_to=""),
        user_code=typed[:MAX_TYPED_LENGTH],
        problem=None if refused is None else refused.problem,
        retry_after_minutes=None if wait is None else max(1, math.ceil(wait / timedelta(minutes=1))),
    )
    response = html(screen, request, services, status=_status(refused)).with_headers(*cookie)
    if wait is not None:
        seconds = max(1, math.ceil(wait.total_seconds()))
        response = response.with_headers((b"retry-after", str(seconds).encode()))
    return response


def _status(refused: flow.CodeRefused | None) -> int:
    match refused:
        case None:
            return 200
        case flow.CodeRefused(problem="missing"):
            return 400
        case flow.CodeRefused(problem="wrong"):
            return 404
        case _:
            return 429


def _confirm_page(pending: Pending, browser: Browser, request: Request, services: Services) -> Response:
    device = pending.request.target.device
    assert browser.binding is not None and device is not None
    handle = interactions.seal(flow.asking(pending), browser.binding, services.seals)
    client, user = (
        pending.request.target.client,
        None if pending.signed_in is None else pending.signed_in.user,
    )
    screen = DeviceConfirmPage(
        app_name=client.name,
        is_third_party=not client.is_first_party,
        publisher=client.publisher,
        user_code=device.reference.user_code,
        address=device.record.address,
        account_name=None if user is None else user.profile.name or user.username,
        account_username="" if user is None else user.username,
        interaction=handle,
        csrf=forms.token(services, name=CONFIRM_FORM, browser=browser.binding, bound_to=handle),
        switch_account_url=f"/sign-in?switch=1&interaction={handle}",
    )
    return html(screen, request, services)


def _notice(words: Wording, request: Request, services: Services) -> Response:
    return html(NoticePage(title=words.title, message=words.message), request, services)
