"""What a person sees when something cannot go on: a page, with an id that is found in the log."""

import functools
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

import msgspec

from innkeeper.oauth.errors import InvalidRequest, UntrustedRequest
from innkeeper.server.flows.device_answers import DeviceGone
from innkeeper.server.flows.interaction import Interaction, InteractionExpired, InteractionRefused
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.model.events import RequestFailed
from innkeeper.server.protocol.end_session import UntrustedSignOut
from innkeeper.server.protocol.target import TOO_LARGE
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web.http import Endpoint, Request, Response
from innkeeper.server.web.pages import wording
from innkeeper.server.web.pages.forms import FormRefused
from innkeeper.server.web.pages.html import html
from innkeeper.server.web.pages.screens import ErrorPage
from innkeeper.server.web.pages.wording import Wording
from innkeeper.server.web.refusals import RETRY_AFTER, Refused, as_json

DEVICE_PAGE: Final = "/device"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown, and what is logged."""

    status: int
    wording: Wording
    error: str
    cause: str
    fix: str
    restart_url: str | None = None
    sign_out_url: str | None = None


def page_on_failure(endpoint: Endpoint) -> Callable[[Request, Services], Awaitable[Response]]:
    """The one place where what goes wrong on a person's road becomes a page."""

    @functools.wraps(endpoint)
    async def guarded(request: Request, services: Services) -> Response:
        try:
            return await endpoint(request, services)
        except InteractionExpired as expired:
            return failed(await _expired(expired.interaction, services), request, services)
        except (
            UntrustedRequest,
            DeviceGone,
            InteractionRefused,
            FormRefused,
            InvalidRequest,
            Busy,
            StoreUnavailable,
        ) as error:
            return failed(_failure(error), request, services)

    return guarded


def failed(failure: Failure, request: Request, services: Services) -> Response:
    """The page and the event, under the id that every log line of this request carries."""
    error_id = request.correlation_id
    services.events.emit(
        RequestFailed(
            at=services.clock.now(),
            correlation_id=request.correlation_id,
            ip=request.address,
            error_id=error_id,
            error=failure.error,
            detail=failure.cause,
        )
    )
    screen = ErrorPage(
        title=failure.wording.title,
        message=failure.wording.message,
        error_id=error_id,
        cause=failure.cause,
        fix=failure.fix,
        restart_url=failure.restart_url,
        sign_out_url=failure.sign_out_url,
    )
    response = html(screen, request, services, status=failure.status)
    return response.with_headers(RETRY_AFTER) if failure.status == 503 else response


def _failure(error: Exception) -> Failure:
    match error:
        case UntrustedRequest():
            return _untrusted(error)
        case InteractionRefused():
            return Failure(
                status=400,
                wording=wording.OTHER_BROWSER,
                error="interaction_refused",
                cause="The interaction handle was altered, or it was made for another browser.",
                fix="Start again at /authorize in this browser, with cookies allowed.",
            )
        case DeviceGone():
            return Failure(
                status=404,
                wording=wording.DEVICE_GONE,
                error="device_gone",
                cause="The device code has expired, was answered, or is claimed by another browser.",
                fix="Let the device ask for a new code at /oauth/device/code.",
                restart_url=DEVICE_PAGE,
            )
        case FormRefused():
            return Failure(
                status=403,
                wording=wording.FORM_REFUSED,
                error="form_refused",
                cause=str(error),
                fix="Submit the form from the page that showed it.",
            )
        case InvalidRequest():
            return Failure(
                status=400,
                wording=wording.LINK_DOES_NOT_WORK,
                error=error.code,
                cause=error.description,
                fix="Submit the form as a browser does.",
            )
        case _:
            return Failure(
                status=503,
                wording=wording.UNAVAILABLE,
                error="temporarily_unavailable",
                cause="The store cannot be reached or written, or too many sign-ins wait.",
                fix="See /readyz and the log. The request can be repeated.",
            )


def _untrusted(error: UntrustedRequest) -> Failure:
    """What nobody may be redirected for; a person whose app asks wrongly to sign them out can do it here."""
    leaves = isinstance(error, UntrustedSignOut)
    words = wording.REQUEST_TOO_LARGE if error.code == TOO_LARGE else wording.LINK_DOES_NOT_WORK
    return Failure(
        status=400,
        wording=wording.SIGN_OUT_DOES_NOT_WORK if leaves else words,
        error=error.code,
        cause=error.cause,
        fix=error.fix,
        sign_out_url="/sign-out" if leaves else None,
    )


def reporter(services: Services) -> Callable[[Request, Exception], Response]:
    """For what goes wrong outside an endpoint: a page where a person looks, JSON everywhere else."""

    def on_error(request: Request, error: Exception) -> Response:
        if "text/html" not in (request.header(b"accept") or ""):
            return as_json(request, error)
        return failed(_outside(error), request, services).with_headers(*getattr(error, "headers", ()))

    return on_error


def _outside(error: Exception) -> Failure:
    match error:
        case Refused():
            words = wording.PAGE_NOT_FOUND if error.status == 404 else wording.FORM_REFUSED
            fix = "Compare the address with the discovery document."
            return Failure(
                status=error.status, wording=words, error=error.error, cause=error.description, fix=fix
            )
        case Busy() | StoreUnavailable():
            return _failure(error)
        case _:
            return Failure(
                status=500,
                wording=wording.SOMETHING_BROKE,
                error="server_error",
                cause=f"A bug: {type(error).__name__}.",
                fix="The log has the traceback under this id. Please report it.",
            )


async def _expired(interaction: Interaction, services: Services) -> Failure:
    """With a way to start again: the app's own sign-in page where it has one, else the same request (R-LG12, AZ-28)."""
    if interaction.device is not None:
        return _sign_in_expired(DEVICE_PAGE)
    client = await services.registry.client(interaction.request().get("client_id") or "")
    restart = "/authorize?" + urlencode(interaction.parameters)
    if client is not None and client.is_enabled and client.initiate_login_uri is not None:
        restart = client.initiate_login_uri
    return _sign_in_expired(restart)


def _sign_in_expired(restart: str) -> Failure:
    return Failure(
        status=400,
        wording=wording.SIGN_IN_EXPIRED,
        error="interaction_expired",
        cause="The interaction is older than its lifetime.",
        fix="Start again at /authorize." if restart != DEVICE_PAGE else "Enter the code again.",
        restart_url=restart,
    )
