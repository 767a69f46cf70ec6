"""POST /oauth/device/code: a device asks for a code to show (RFC 8628 §3.1, §3.2)."""

from datetime import datetime, timedelta

import msgspec

from innkeeper.oauth.errors import OAuthError, TemporarilyUnavailable, UnauthorizedClient
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows.client_authentication import ClientRequest, authenticate
from innkeeper.server.flows.deciding import MAX_TRIES, kept_changing
from innkeeper.server.flows.fresh import new_attempt, new_handle
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.lockout import device_starts
from innkeeper.server.model.client import Client
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.events import DeviceBlocked, DeviceStarted, TokenRefused
from innkeeper.server.protocol import effective_scope, user_code
from innkeeper.server.protocol.authorize import api_named
from innkeeper.server.protocol.discovery import verification_uri
from innkeeper.server.protocol.grants import device_code
from innkeeper.server.storage.outcomes import Blocked, Done


class DeviceResponse(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 8628 §3.2, all six members."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


async def start(request: ClientRequest, services: Services) -> DeviceResponse:
    """Two codes for one pending request. Raises `OAuthError`, `StoreUnavailable`."""
    try:
        return await _start(request, services)
    except OAuthError as error:
        services.events.emit(
            TokenRefused(
                at=services.clock.now(),
                correlation_id=request.correlation_id,
                client_id=request.form.get("client_id"),
                ip=request.address,
                error=error.code,
                detail=error.detail or error.description,
            )
        )
        raise


async def _start(request: ClientRequest, services: Services) -> DeviceResponse:
    client = await authenticate(request, services)
    _check_allowed(client, services)
    now, attempt = services.clock.now(), new_attempt(services.entropy)
    settings = services.settings
    limits = device_starts(request.address, settings.device, services.seals.key("throttle"))
    for _ in range(MAX_TRIES):
        code = user_code.draw(
            services.entropy.random(user_code.RANDOM_BYTES),
            alphabet=settings.device.alphabet,
            length=settings.device.length,
        )
        text, device = _new(code, client, request, services, now)
        event = DeviceStarted(
            at=now, correlation_id=request.correlation_id, client_id=client.client_id, ip=request.address,
            api=device.api, scope=" ".join(device.scope),
        )  # fmt: skip
        # No audit row: anybody who knows a public app's id can start.
        outcome = await services.store.device_codes.start(
            device, limits=limits, attempt=attempt, now=now, events=()
        )
        match outcome:
            case Done():
                services.events.emit(event)
                return _response(text, code, services)
            case Blocked():
                blocked = DeviceBlocked(at=now, correlation_id=request.correlation_id, ip=request.address)
                services.events.emit(blocked)
                raise TemporarilyUnavailable("Too many device codes were asked for from this address.")
    raise kept_changing()


def _check_allowed(client: Client, services: Services) -> None:
    is_offered = any(grant.name == device_code.NAME for grant in services.grants)
    if not is_offered or device_code.NAME not in client.grant_types:
        raise UnauthorizedClient("This app may not sign people in on devices.")


def _new(
    code: str, client: Client, request: ClientRequest, services: Services, now: datetime
) -> tuple[str, DeviceAuthorization]:
    settings = services.settings
    api = api_named(request.form, services.registry.snapshot, default_audience=settings.default_audience)
    if api is not None:
        effective_scope.ceiling(api, client)
    asked = request.form.get("scope")
    expires_at = now + timedelta(seconds=settings.lifetimes.device_code_s)
    text, key = new_handle(services.entropy, "ik_dc_", expires_at)
    return text, DeviceAuthorization(
        key=key,
        user_code_mac=services.seals.mac("user-code", code.encode()),
        client_id=client.client_id,
        api=None if api is None else api.identifier,
        scope=tuple(effective_scope.requested(None if asked is None else Scope.parse(asked), api)),
        created_at=now,
        expires_at=expires_at,
        address=request.address,
        interval_s=settings.lifetimes.device_interval_s,
        next_poll_at=now,
    )


def _response(text: str, code: str, services: Services) -> DeviceResponse:
    address, shown = verification_uri(services.settings.issuer), user_code.shown(code)
    lifetimes = services.settings.lifetimes
    return DeviceResponse(
        device_code=text,
        user_code=shown,
        verification_uri=address,
        verification_uri_complete=f"{address}?user_code={shown}",
        expires_in=lifetimes.device_code_s,
        interval=lifetimes.device_interval_s,
    )
