"""What a person has allowed a client to do, remembered per API (no API: the OIDC scopes)."""

from datetime import datetime

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, Subject


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Allow adds to `scope`; ending it empties `scope` and moves `epoch`, which grants carry.

    `answered` is the whole scope of a request of which something was left out: the same request is not asked again.
    """

    user_id: Subject
    client_id: ClientId
    api: ApiIdentifier | None
    scope: tuple[str, ...]
    answered: tuple[str, ...] = ()
    epoch: int
    granted_at: datetime
    expires_at: datetime | None = None
