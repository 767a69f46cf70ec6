"""What a person's answer does to the device that waits for it (RFC 8628 §3.3); the device fetches it by polling."""

from datetime import timedelta
from typing import Final

from innkeeper.jose.hashes import sha256
from innkeeper.oauth.errors import OAuthError, TemporarilyUnavailable
from innkeeper.server.flows.browser import Browser
from innkeeper.server.flows.complete import Finished
from innkeeper.server.flows.fresh import new_attempt, new_grant_id
from innkeeper.server.flows.services import Busy, Services
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.events import DeviceApproved, DeviceDenied
from innkeeper.server.model.grant import Grant
from innkeeper.server.protocol import device as rules
from innkeeper.server.protocol.discovery import verification_uri
from innkeeper.server.protocol.target import Target
from innkeeper.server.protocol.waiting_device import DeviceReference
from innkeeper.server.storage.outcomes import Done, Gone

CONNECTED: Final = "/device/connected"
REFUSED: Final = "/device/refused"


class DeviceGone(Exception):
    """The code has expired, was answered, or is in another browser's hands: there is nothing to answer any more."""


def claim_of(browser: Browser) -> bytes | None:
    """By what a claim knows its browser: a digest, since the cookie itself is a secret."""
    return None if browser.binding is None else sha256(b"device|" + browser.binding.encode())


async def target_of(reference: DeviceReference, browser: Browser, services: Services) -> Target:
    """Raises `DeviceGone`."""
    record = await services.store.device_codes.read(reference.key)
    if not isinstance(record, DeviceAuthorization) or record.state != "pending":
        raise DeviceGone
    if services.clock.now() >= record.expires_at or record.claimed_by not in (None, claim_of(browser)):
        raise DeviceGone
    client = await services.registry.client(record.client_id)
    if client is None or not client.is_enabled:
        raise DeviceGone
    return rules.target(
        reference, record, client, verification_uri=verification_uri(services.settings.issuer)
    )


async def approve(finished: Finished, browser: Browser, services: Services) -> str | None:
    """Where to go next. None when something moved meanwhile. Raises `DeviceGone`."""
    device, claim, now = finished.request.target.device, claim_of(browser), services.clock.now()
    assert device is not None and claim is not None
    grant = _grant(finished, services)
    event = DeviceApproved(
        at=now, correlation_id=browser.correlation_id, client_id=grant.client_id, user_id=grant.user_id,
        ip=browser.address, grant_id=grant.grant_id, scope=str(finished.scope),
    )  # fmt: skip
    outcome = await services.store.device_codes.approve(
        device.record.key,
        grant,
        browser=claim,
        attempt=new_attempt(services.entropy),
        now=now,
        events=[event],
    )
    if isinstance(outcome, Gone):
        raise DeviceGone
    if not isinstance(outcome, Done):
        return None
    services.events.emit(event)
    return CONNECTED


async def refuse(target: Target, error: OAuthError, browser: Browser, services: Services) -> str:
    """The device learns it at its next poll (R-DV7). Raises `DeviceGone`, `Busy`."""
    device, claim, now = target.device, claim_of(browser), services.clock.now()
    if isinstance(error, TemporarilyUnavailable):
        raise Busy  # what passes is no refusal: the person may try again
    if device is None or claim is None:
        raise DeviceGone
    event = DeviceDenied(
        at=now, correlation_id=browser.correlation_id, client_id=target.client.client_id, ip=browser.address
    )
    outcome = await services.store.device_codes.deny(
        device.record.key, browser=claim, attempt=new_attempt(services.entropy), now=now, events=[event]
    )
    if not isinstance(outcome, Done):
        raise DeviceGone
    services.events.emit(event)
    return REFUSED


def _grant(finished: Finished, services: Services) -> Grant:
    request, person = finished.request, finished.person
    device, api = request.target.device, request.api
    assert device is not None
    userinfo = timedelta(seconds=services.settings.lifetimes.userinfo_access_token_s)
    longest = userinfo if api is None else max(api.access_token_lifetime, userinfo)
    return Grant(
        grant_id=new_grant_id(services.entropy),
        client_id=request.target.client.client_id,
        user_id=person.user.user_id,
        api=None if api is None else api.identifier,
        scope=tuple(finished.scope),
        sid=None,  # the session is the phone's: signing out there is not signing out of the television
        auth_time=person.session.auth_time,
        amr=person.session.amr,
        acr=person.session.acr,
        epochs=finished.epochs,
        created_at=services.clock.now(),
        expires_at=device.record.expires_at + longest,
    )
