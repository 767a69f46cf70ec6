"""A device that waits for a person (RFC 8628): it polls with one secret, the person types another."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId, HandleKey, Subject

SLOWER_S: Final = 5
"""How much longer the interval is after each poll that came too soon (RFC 8628 §3.5)."""
TOLERANCE: Final = timedelta(milliseconds=500)
"""A poll may be this much early: the network does not carry each one equally fast."""
DeviceState = Literal["pending", "approved", "denied", "over"]


class DeviceAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """The device polls with the handle of `key`; the person types the user code, of which a MAC is stored.

    `over`: its tokens were given out, or the device was told that it expired. Nothing comes of it any more.
    """

    key: HandleKey
    user_code_mac: bytes
    client_id: ClientId
    api: ApiIdentifier | None
    scope: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    address: str = ""
    """Where the device asked from: shown to the person, who knows where their device is."""
    interval_s: int = 5
    next_poll_at: datetime
    state: DeviceState = "pending"
    claimed_by: bytes | None = None
    """The browser in which somebody said "I started this": nobody else can answer (a digest of its cookie)."""
    grant_id: GrantId | None = None
    user_id: Subject | None = None
