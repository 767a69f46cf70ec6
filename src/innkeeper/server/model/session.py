"""A signed-in browser, known by a random cookie of which the store keeps a digest."""

from datetime import datetime

import msgspec

from innkeeper.server.model.identifiers import HandleKey, SessionId, Subject


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A new `key` at every authentication; `sid` stays while the person stays the same."""

    key: HandleKey
    sid: SessionId
    user_id: Subject
    user_epoch: int
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str | None
    created_at: datetime
    last_used_at: datetime
    idle_expires_at: datetime
    absolute_expires_at: datetime
    browser: str = ""
