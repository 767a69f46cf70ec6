"""Completed authorizations and everything single-use that leads to one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import (
    Attempt,
    GrantId,
    HandleKey,
)
from innkeeper.server.storage.outcomes import (
    AlreadyRedeemed,
    Burnt,
    CodeAndGrant,
    Done,
    Gone,
    GrantStanding,
    Missing,
    OpaqueStanding,
    Redeemed,
    Replayed,
    Stale,
)


class Codes(Protocol):
    """Authorization codes, with the grants that they complete."""

    async def issue(
        self, code: AuthorizationCode, grant: Grant, *, attempt: Attempt, events: Sequence[Event]
    ) -> Done | Stale:
        """Inserts grant and code if `grant.epochs` are today's and client and person are enabled."""
        ...

    async def read(self, key: HandleKey) -> CodeAndGrant | None:
        """One indexed read, also of a redeemed or expired code."""
        ...

    async def redeem(
        self,
        key: HandleKey,
        *,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        redeemed: Sequence[Event],
        replayed: Sequence[Event],
    ) -> Redeemed | Replayed | Gone | Stale:
        """Only for an otherwise valid presentation.

        Not yet redeemed, not expired, grant not revoked and epochs unmoved: marks it with `attempt`, inserts
        the token: Redeemed. Redeemed by this attempt: Redeemed again. By another, or burnt: revokes the
        grant, Replayed, even when the code has expired or it comes once more. Unknown, or never redeemed and
        expired or its grant revoked: Gone.
        """
        ...

    async def burn(
        self, key: HandleKey, *, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Burnt | AlreadyRedeemed | Gone:
        """For a wrong presentation by the right client: it can never be redeemed; nothing is revoked."""
        ...


class Grants(Protocol):
    """Completed authorizations."""

    async def standing(self, grant_id: GrantId) -> GrantStanding | None:
        """One SELECT: the grant and today's epochs of person, client and consent."""
        ...

    async def opaque_standing(self, key: HandleKey) -> OpaqueStanding | None:
        """One SELECT for an opaque access token."""
        ...

    async def revoke(
        self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]
    ) -> Done | Missing: ...
