"""A device that waits for a person (RFC 8628): two handles to one pending request."""

from datetime import datetime
from typing import Literal

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId, HandleKey, Subject

DeviceState = Literal["pending", "approved", "denied"]


class DeviceAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """The device polls with the handle of `key`; the person types the user code, of which a MAC is stored."""

    key: HandleKey
    user_code_mac: bytes
    client_id: ClientId
    api: ApiIdentifier | None
    scope: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    interval_s: int
    next_poll_at: datetime
    state: DeviceState = "pending"
    grant_id: GrantId | None = None
    user_id: Subject | None = None
    address: str = ""
