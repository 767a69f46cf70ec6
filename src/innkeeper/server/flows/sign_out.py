"""Signing out: the session of this browser ends, and what is bound to it (R-LO1 to R-LO3, R-RT16).

`/oidc/logout` and the page `/sign-out` both come here. What a request asks for travels sealed between the two.
"""

from typing import Final

import msgspec

from innkeeper.jose import base64url
from innkeeper.jose.errors import SealBroken
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows.browser import Browser, SignedIn, session_key, signed_in
from innkeeper.server.flows.id_tokens import hinted
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import SessionEnded
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.protocol import end_session
from innkeeper.server.protocol.end_session import SignOutRequest, UntrustedSignOut
from innkeeper.server.storage.outcomes import Done

MAX_HANDLE_LENGTH: Final = 14 * 1024
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(SignOutRequest)
_SEALED_FOR: Final = b"sign-out"


class SignedOut(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is signed in here any more. Without a location our own page says so."""

    location: str | None
    request: SignOutRequest


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The person has to say whether they want this."""

    request: SignOutRequest
    person: SignedIn
    client: Client | None
    location: str | None


Outcome = SignedOut | Ask


def read(parameters: Parameters, services: Services) -> SignOutRequest:
    """A hint that is not ours, or was made for another app than `client_id` says, counts as none.

    Raises `UntrustedSignOut`.
    """
    end_session.check(parameters)
    named, text = parameters.get("client_id"), parameters.get("id_token_hint")
    client_id = None if named is None else ClientId(named)
    hint = None if text is None else hinted(text, client_id, services)
    return SignOutRequest(
        client_id=client_id if hint is None else hint.client_id,
        hinted=None if hint is None else hint.subject,
        post_logout_redirect_uri=parameters.get("post_logout_redirect_uri"),
        state=parameters.get("state"),
        ui_locales=parameters.get("ui_locales"),
    )


async def begin(request: SignOutRequest, browser: Browser, services: Services) -> Outcome:
    """Signs out, or asks first. Raises `UntrustedSignOut`, `StoreUnavailable`."""
    client, location = await _proven(request, services)
    person = await signed_in(browser, services)
    if person is None:
        await _make_sure(browser, services)
        return SignedOut(location=location, request=request)
    subject = None if client is None else services.subjects.of(person.user, client)
    if not end_session.may_skip_question(request, client, subject):
        return _ask(request, person, client, location)
    await _end(person, client, browser, services)
    return SignedOut(location=location, request=request)


async def confirm(request: SignOutRequest, browser: Browser, services: Services) -> Outcome:
    """The person said yes on our page. Somebody who signed in meanwhile is asked anew."""
    client, location = await _proven(request, services)
    person = await signed_in(browser, services)
    if person is not None and request.asked != person.session.sid:
        return _ask(request, person, client, location)
    if person is None:
        await _make_sure(browser, services)
    else:
        await _end(person, client, browser, services)
    return SignedOut(location=location, request=request)


async def prove(request: SignOutRequest, services: Services) -> None:
    """Raises `UntrustedSignOut` for an address that cannot be believed."""
    await _proven(request, services)


def seal(request: SignOutRequest, services: Services) -> str:
    """For the URL and the form of our own page."""
    return base64url.encode(services.seals.seal("sign-out", _ENCODER.encode(request), associated=_SEALED_FOR))


def unseal(handle: str, services: Services) -> SignOutRequest:
    """Raises `UntrustedSignOut` for anything that we did not seal."""
    try:
        if len(handle) > MAX_HANDLE_LENGTH:
            raise SealBroken("too long")
        opened = services.seals.open("sign-out", base64url.decode(handle), associated=_SEALED_FOR)
        return _DECODER.decode(opened)
    except (SealBroken, ValueError, msgspec.MsgspecError) as cause:
        raise UntrustedSignOut(
            "request_refused",
            "The parameter `request` was altered, or this server never made it.",
            "Start at the end_session_endpoint of the discovery document.",
        ) from cause


async def _proven(request: SignOutRequest, services: Services) -> tuple[Client | None, str | None]:
    client = None if request.client_id is None else await services.registry.client(request.client_id)
    return client, end_session.destination(request, client)


def _ask(request: SignOutRequest, person: SignedIn, client: Client | None, location: str | None) -> Ask:
    asked = msgspec.structs.replace(request, asked=person.session.sid)
    return Ask(request=asked, person=person, client=client, location=location)


async def _make_sure(browser: Browser, services: Services) -> None:
    """A session that is gone already may have been ended by a request that was told it was not stored."""
    key = session_key(browser)
    if key is not None and await services.store.sessions.get(key) is None:
        await services.store.sessions.end(key, events=())


async def _end(person: SignedIn, client: Client | None, browser: Browser, services: Services) -> None:
    event = SessionEnded(
        at=services.clock.now(),
        correlation_id=browser.correlation_id,
        client_id=None if client is None else client.client_id,
        user_id=person.user.user_id,
        ip=browser.address,
        sid=person.session.sid,
    )
    outcome = await services.store.sessions.end(person.session.key, events=[event])
    if isinstance(outcome, Done):  # not when another tab was quicker
        services.events.emit(event)
