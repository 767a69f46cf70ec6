"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4, §3.5)."""

from typing import Final

from msgspec.structs import replace

from innkeeper.oauth.errors import AccessDenied, AuthorizationPending, InvalidGrant
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.handle import key_of
from innkeeper.server.protocol.effective_scope import OFFLINE_ACCESS
from innkeeper.server.protocol.grant_rights import authorization_of, check_target, decided_on
from innkeeper.server.protocol.grants.base import (
    Consumption,
    Context,
    DeviceByHandle,
    Evidence,
    Lookup,
    PollDevice,
    RedeemDevice,
    Refusal,
)
from innkeeper.server.storage.outcomes import DeviceAndGrant

NAME: Final = "urn:ietf:params:oauth:grant-type:device_code"
# One text for unknown, foreign and used.
REFUSED: Final = "The device code is unknown, already used, no longer valid, or not this app's."


class DeviceCodeGrant:
    """Whether the device polled too soon, and whether its code was used, is the transition's to say."""

    name = NAME
    allows_public_clients = True
    client_types = ("native", "spa", "regular_web")

    def lookup(self, form: Parameters) -> Lookup:
        """By the device code's digest."""
        return DeviceByHandle(key_of("ik_dc_", form.require("device_code")))

    def decide(self, form: Parameters, evidence: Evidence, context: Context) -> Authorization | Refusal:
        """A foreign device code changes nothing: not even when its owner may poll again."""
        found = evidence if isinstance(evidence, DeviceAuthorization | DeviceAndGrant) else None
        device = found.device if isinstance(found, DeviceAndGrant) else found
        if device is None or device.client_id != context.client.client_id:
            return Refusal(error=InvalidGrant(REFUSED, detail="unknown device code, or another app's"))
        is_in_time = context.now < device.expires_at
        if device.state == "denied" and is_in_time:
            return Refusal(error=AccessDenied("The person did not allow it."))
        if not isinstance(found, DeviceAndGrant) or not is_in_time:
            waiting = AuthorizationPending("The person has not answered yet. Poll again after the interval.")
            return Refusal(error=waiting, consumption=PollDevice(device.key))
        authorization = authorization_of(
            found,
            client=context.client,
            registry=context.registry,
            settings=context.settings,
            now=context.now,
        )
        if authorization is None:
            ended = "the person, the app, the consent or the API has ended"
            return Refusal(error=InvalidGrant(REFUSED, detail=ended))
        check_target(form, found.grant)
        return replace(authorization, begins_family=OFFLINE_ACCESS in authorization.scope)

    def consume(self, evidence: Evidence, authorization: Authorization) -> Consumption:
        """Uses the code up, on the epochs that its grant was made with."""
        assert isinstance(evidence, DeviceAndGrant)
        epochs = decided_on(evidence, authorization.client)
        return RedeemDevice(key=evidence.device.key, grant_id=evidence.grant.grant_id, epochs=epochs)
