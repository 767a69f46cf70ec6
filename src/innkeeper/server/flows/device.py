"""/device: entering the code that a device shows, and saying that one started it (RFC 8628 §3.3, §5.4)."""

from datetime import timedelta
from typing import Literal

import msgspec

from innkeeper.oauth.errors import AccessDenied
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import authorize
from innkeeper.server.flows import interaction as interactions
from innkeeper.server.flows.authorize import Pending
from innkeeper.server.flows.browser import Browser, signed_in
from innkeeper.server.flows.device_answers import DeviceGone, claim_of
from innkeeper.server.flows.interaction import Interaction
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.lockout import user_codes
from innkeeper.server.model.events import DeviceBlocked, DeviceCodeRefused
from innkeeper.server.protocol import user_code
from innkeeper.server.protocol.interaction import ConfirmDevice
from innkeeper.server.protocol.waiting_device import DeviceReference
from innkeeper.server.storage.outcomes import Blocked, Done, Gone


class CodeRefused(msgspec.Struct, frozen=True, kw_only=True):
    """What the page says about the code that was entered."""

    problem: Literal["missing", "wrong", "throttled"]
    retry_after: timedelta | None = None


async def enter(typed: str, browser: Browser, services: Services) -> authorize.Show | CodeRefused:
    """Counted when it is wrong, by address and all together (R-DV2). A right one changes nothing yet."""
    code = user_code.folded(typed)
    if not code:
        return CodeRefused(problem="missing")
    person, now, settings = await signed_in(browser, services), services.clock.now(), services.settings
    limits = user_codes(
        browser.address,
        None if person is None else person.user.user_id,
        settings.device,
        services.seals.key("throttle"),
    )
    mac = services.seals.mac("user-code", code.encode("utf-8", "surrogatepass"))
    found = await services.store.device_codes.find(mac, browser=claim_of(browser), limits=limits, now=now)
    match found:
        case Blocked(until=until):
            event = DeviceBlocked(at=now, correlation_id=browser.correlation_id, ip=browser.address)
            services.events.emit(event)
            return CodeRefused(problem="throttled", retry_after=until - now)
        case Gone():
            refused = DeviceCodeRefused(at=now, correlation_id=browser.correlation_id, ip=browser.address)
            services.events.emit(refused)
            return CodeRefused(problem="wrong")
    reference = DeviceReference(key=found.key, user_code=user_code.shown(code))
    nothing = Parameters.from_pairs(())
    return authorize.Show(page="device", interaction=interactions.new(nothing, services, reference))


async def view(handle: str, browser: Browser, services: Services) -> Pending | authorize.Outcome:
    """The pending request whose step is `ConfirmDevice`, or what comes next when that is done."""
    interaction = interactions.unseal(handle, browser.binding, services)
    pending = await authorize.load_or_refuse(interaction, browser, services)
    if isinstance(pending, Pending) and isinstance(pending.step, ConfirmDevice):
        return pending
    return await authorize.advance(interaction, browser, services)


def asking(pending: Pending) -> Interaction:
    """The interaction for the form of the page: it takes the answer of the person who is shown it."""
    sid = None if pending.signed_in is None else pending.signed_in.session.sid
    return _with_device(pending.interaction, shown_to=sid, is_confirmed=False)


async def confirm(handle: str, browser: Browser, services: Services) -> authorize.Outcome:
    """This browser claims the code; then the person signs in, if need be, and is asked what the app may do."""
    pending = await view(handle, browser, services)
    if not isinstance(pending, Pending):
        return pending
    device, claim = pending.interaction.device, claim_of(browser)
    if device is None or claim is None:
        raise DeviceGone
    if pending.signed_in is not None and pending.signed_in.session.sid != device.shown_to:
        # Somebody else has signed in since in another tab: they are asked themselves.
        return authorize.Show(page="device", interaction=pending.interaction)
    claimed = await services.store.device_codes.claim(device.key, browser=claim, now=services.clock.now())
    if not isinstance(claimed, Done):
        raise DeviceGone
    confirmed = _with_device(pending.interaction, shown_to=device.shown_to, is_confirmed=True)
    return await authorize.advance(confirmed, browser, services)


async def deny(handle: str, browser: Browser, services: Services) -> authorize.Outcome:
    """Nobody here started it: the device is told, and nothing else happens."""
    interaction = interactions.unseal(handle, browser.binding, services)
    target = await authorize.target_of(interaction, browser, services)
    return await authorize.refuse(target, AccessDenied("The person did not start it."), browser, services)


def _with_device(interaction: Interaction, **changes: object) -> Interaction:
    if interaction.device is None:
        raise DeviceGone
    device = msgspec.structs.replace(interaction.device, **changes)
    return msgspec.structs.replace(interaction, device=device)
