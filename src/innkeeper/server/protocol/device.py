"""A device's request, as the steps of an authorization see it (RFC 8628 §3.3)."""

from innkeeper.oauth.errors import InvalidTarget
from innkeeper.oauth.response_type import ResponseType
from innkeeper.oauth.scope import Scope
from innkeeper.server.model.client import Client
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.protocol import effective_scope
from innkeeper.server.protocol.authorize import AuthorizationRequest
from innkeeper.server.protocol.target import Target
from innkeeper.server.protocol.waiting_device import DeviceReference, WaitingDevice


def target(
    reference: DeviceReference, record: DeviceAuthorization, client: Client, *, verification_uri: str
) -> Target:
    """There is nowhere to send the browser: it stays on our own page."""
    return Target(
        client=client,
        redirect_uri=verification_uri,
        redirect_uri_sent=None,
        response_mode="query",
        state=None,
        device=WaitingDevice(reference=reference, record=record),
    )


def request(target: Target, registry: RegistrySnapshot) -> AuthorizationRequest:
    """Judged on today's registry, whatever it was when the device asked. Raises `OAuthError`."""
    assert target.device is not None
    record = target.device.record
    api = None if record.api is None else registry.apis.get(record.api)
    if record.api is not None and api is None:
        raise InvalidTarget("The API that the device asked for is gone.")
    if api is not None:
        effective_scope.ceiling(api, target.client)
    return AuthorizationRequest(
        target=target,
        response_type=ResponseType.parse("code"),
        scope=Scope(record.scope),
        api=api,
        nonce=None,
        code_challenge=None,
        prompt=frozenset(),
        max_age=None,
        ui_locales=None,
    )
