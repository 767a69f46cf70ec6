"""An opaque access token's row. JWT access tokens have none."""

from datetime import datetime

import msgspec

from innkeeper.server.model.identifiers import GrantId, HandleKey


class OpaqueAccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """Good for what its grant says, until it ends."""

    key: HandleKey
    grant_id: GrantId
    scope: tuple[str, ...]
    expires_at: datetime
