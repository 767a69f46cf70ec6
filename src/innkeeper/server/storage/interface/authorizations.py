"""Completed authorizations and everything single-use that leads to one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, ClientId, GrantId, HandleKey, Subject
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.trusted_issuer import AssertionUse
from innkeeper.server.storage.outcomes import (
    AlreadyClaimed,
    AlreadyRedeemed,
    Burnt,
    ClientStanding,
    CodeAndGrant,
    Done,
    FamilyAndGrant,
    Gone,
    GrantStanding,
    Missing,
    OpaqueStanding,
    Overlapped,
    OverlapSpent,
    Redeemed,
    Replayed,
    Reused,
    Rotated,
    Stale,
)


class Codes(Protocol):
    """Authorization codes, with the grants that they complete."""

    async def issue(
        self,
        code: AuthorizationCode,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None = None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        """Inserts grant and code if `grant.epochs` are today's, client and person are enabled and its session is there.

        `access_token` is the opaque one that leaves beside the code (hybrid flow).
        """
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
        family: RefreshFamily | None = None,
        redeemed: Sequence[Event],
        replayed: Sequence[Event],
    ) -> Redeemed | Replayed | Gone | Stale:
        """Only for an otherwise valid presentation.

        Not yet redeemed, not expired, grant not revoked and epochs unmoved: marks it with `attempt`, inserts
        access token and refresh family, makes the grant last as long as the family: Redeemed. Redeemed by this
        attempt: Redeemed again. By another, or burnt: revokes the grant, Replayed, even when the code has
        expired or it comes once more. Unknown, or never redeemed and expired, its grant revoked or the session
        over that the grant is bound to: Gone.
        """
        ...

    async def burn(
        self, key: HandleKey, *, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Burnt | AlreadyRedeemed | Gone:
        """For a wrong presentation by the right client: it can never be redeemed; nothing is revoked."""
        ...


class Grants(Protocol):
    """Completed authorizations."""

    async def open(
        self,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        """For an authorization that is complete at once, without a code: implicit, password, token exchange.

        Inserts all or nothing, if `grant.epochs` are today's, client and person are enabled, and the session that
        the grant names is there.
        """
        ...

    async def open_by_assertion(
        self,
        grant: Grant,
        *,
        assertion: AssertionUse,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale | AlreadyClaimed:
        """Like `open`, if nobody has used the assertion before, which is used up by it (RFC 7523 §3).

        Stale also when its issuer has moved. Nothing is used up but by Done.
        """
        ...

    async def standing(self, grant_id: GrantId, token: HandleKey | None = None) -> GrantStanding | None:
        """One SELECT: the grant, today's epochs of what it stands on, its session, and whether `token` was denied."""
        ...

    async def revoke(
        self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]
    ) -> Done | Missing: ...


class AccessTokens(Protocol):
    """Access tokens themselves: the opaque ones have rows, those that are denied have a row whatever they are."""

    async def issue(
        self, token: OpaqueAccessToken, *, client_revision: int, events: Sequence[Event]
    ) -> Done | Stale:
        """An opaque token of a client that acts for itself, or exchanged one, if it is enabled and has not moved.

        Those of a person are inserted by the transition that consumes what they were got for. The key is as good
        as an attempt: it is made of fresh random bytes, so a row of this key was inserted by this very request.
        """
        ...

    async def opaque_standing(self, key: HandleKey) -> OpaqueStanding | None:
        """One SELECT for an opaque access token."""
        ...

    async def client_standing(self, client_id: ClientId, token: HandleKey | None = None) -> ClientStanding:
        """One SELECT for a JWT that a client got for itself: the client, and whether `token` was denied."""
        ...

    async def deny(self, token: HandleKey, *, expires_at: datetime, events: Sequence[Event]) -> Done:
        """This one access token is dead from now on, opaque or not; remembered until it would have ended."""
        ...


class RefreshFamilies(Protocol):
    """Refresh tokens: one row per family, rotated in place."""

    async def read(self, key: HandleKey) -> FamilyAndGrant | None:
        """One indexed read, also of an expired family."""
        ...

    async def rotate(
        self,
        key: HandleKey,
        *,
        presented: int,
        attempt: Attempt,
        now: datetime,
        overlap: timedelta,
        is_rotating: bool,
        idle_expires_at: datetime,
        epochs: Epochs,
        was_living: bool = False,
        access_token: OpaqueAccessToken | None,
        rotated: Sequence[Event],
        overlapped: Sequence[Event],
        reused: Sequence[Event],
        ahead: Sequence[Event],
    ) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale:
        """Only for an otherwise valid presentation of generation `presented`.

        It is the living one, neither limit is reached, the grant is not revoked and the epochs are unmoved:
        the generation moves by one if the client's tokens rotate, `attempt` is stored, the access token is
        inserted: Rotated. Moved by this attempt: Rotated again. It is the one before the living one,
        less than `overlap` after the rotation, and was answered less than 20 times since: Overlapped, with the
        access token; more often: OverlapSpent, and nothing changes. Older than that, or ahead of the row (which
        has events of its own): the grant is revoked, Reused. Unknown, over, or revoked: Gone.

        Of two rotations nobody knew, so that the one before the living one comes soon however late it is: one that
        is `untold`, and, where there is an overlap at all, one that was not there yet when this request read the
        family (`was_living`). The answer is then the first of it, and the overlap begins with it.
        Raises `InDoubt` where it may have happened all the same.
        """
        ...

    async def untold(self, key: HandleKey, *, attempt: Attempt, events: Sequence[Event]) -> Done | Missing:
        """The app of this attempt was told that the store is away: if it moved the family, nobody knows.

        The family was moved by this attempt, and nobody has had an answer since: the generation before is answered
        whatever the time, until somebody is told: Done, also the second time. Otherwise: Missing, nothing changes.
        """
        ...

    async def of(self, user_id: Subject, client_id: ClientId | None = None) -> tuple[RefreshFamily, ...]:
        """A person's families, with one client or with all."""
        ...
