"""What an interaction knows of the device that a person is answering for (RFC 8628 §3.3)."""

import msgspec

from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.identifiers import HandleKey, SessionId


class DeviceReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Travels sealed with the browser: nobody has one who has not entered the code."""

    key: HandleKey
    user_code: str
    """As the device shows it."""
    is_confirmed: bool = False
    """Somebody said in this browser: my device shows this code, and I started it."""
    shown_to: SessionId | None = None
    """Who was signed in when they were asked that."""


class WaitingDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The reference and the record of today."""

    reference: DeviceReference
    record: DeviceAuthorization


def is_confirmed_by(
    device: DeviceReference,
    sid: SessionId | None,
    *,
    signed_in_here: SessionId | None,
    answered_by: SessionId | None,
) -> bool:
    """Whether the person of this session said so themselves (DV-05).

    They were signed in when they were asked, or proved or answered something since, in this very interaction.
    Whoever else is signed in by now, in another tab perhaps, is asked themselves.
    """
    if not device.is_confirmed:
        return False
    return sid is None or sid in (device.shown_to, signed_in_here, answered_by)
