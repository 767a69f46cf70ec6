"""An opaque access token's row. JWT access tokens have none."""

from datetime import datetime
from typing import Any

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId, HandleKey


class OpaqueAccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a JWT would say, kept here: nobody but us can read it.

    `grant_id` is None for a client that acts for itself; then `client_epoch` is what the token stands on.
    `api` is None for userinfo only. `claims` are those that a JWT of the same API would have besides the usual ones.
    """

    key: HandleKey
    grant_id: GrantId | None
    client_id: ClientId
    client_epoch: int
    api: ApiIdentifier | None
    subject: str
    scope: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    claims: dict[str, Any] = {}
