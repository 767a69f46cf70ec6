"""One completed authorization: the root of every code and token that comes from it."""

from datetime import datetime
from typing import Final

import msgspec

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId, SessionId, Subject


class Epochs(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision was based on. A transition that finds one of these moved answers `Stale`."""

    client_revision: int
    client_epoch: int
    user_epoch: int
    consent_epoch: int = 0


class NamedClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Claims that were asked for by name, and allowed (OIDC Core §5.5): beside those of the scope."""

    id_token: tuple[str, ...] = ()
    userinfo: tuple[str, ...] = ()


NO_NAMED_CLAIMS: Final = NamedClaims()


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Its id is random and not secret. It lives while not revoked and while its epochs are today's."""

    grant_id: GrantId
    client_id: ClientId
    user_id: Subject
    api: ApiIdentifier | None
    scope: tuple[str, ...]
    sid: SessionId | None
    auth_time: datetime | None
    """None: nobody has said when (RFC 7523)."""
    amr: tuple[str, ...]
    acr: str | None
    epochs: Epochs
    created_at: datetime
    expires_at: datetime
    """When nothing that came from it can be alive any more: the bound for the purge."""
    revoked_at: datetime | None = None
    claims: NamedClaims = NO_NAMED_CLAIMS

    @property
    def bound_to(self) -> SessionId | None:
        """The session that it ends with. What the person allowed while they are away outlives it (OIDC Core §11)."""
        return None if "offline_access" in self.scope else self.sid
