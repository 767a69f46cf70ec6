"""Results of transitions that need more than a bool. Expected outcomes are values, never exceptions."""

from datetime import datetime

import msgspec

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.session import Session
from innkeeper.server.model.user import User


class StoreUnavailable(Exception):
    """The store is away or cannot write. Answered with 503 and `Retry-After`."""


class InDoubt(StoreUnavailable):
    """The same, after a COMMIT was sent whose end nobody knows: it may have happened, or happen later."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The transition happened, now or at an earlier try of the same attempt."""


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """Something the decision was based on has moved: decide again."""


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """The record exists already, was changed meanwhile, or a unique name is taken."""

    what: str


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such record."""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """The handle is unknown or its time is over; nothing was changed."""


class Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """This attempt, and no other, redeemed the code."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Another attempt had redeemed the code before: its grant is revoked now."""


class Burnt(msgspec.Struct, frozen=True, kw_only=True):
    """The code had not been redeemed and never will be."""


class AlreadyRedeemed(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to burn; nothing was changed."""


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """This attempt, and no other, used the living token; `generation` is alive now."""

    generation: int


class Overlapped(msgspec.Struct, frozen=True, kw_only=True):
    """The token before the living one, again and soon: `generation`, which is alive, is answered once more."""

    generation: int


class OverlapSpent(msgspec.Struct, frozen=True, kw_only=True):
    """The token before the living one came again, soon, but too often: no answer, and nothing was changed."""


class Reused(msgspec.Struct, frozen=True, kw_only=True):
    """An old token came again, or one from a future that was undone: its grant is revoked now."""

    is_ahead: bool = False


class FamilyAndGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh token stands for, read in one go; `user` is None when the person is gone."""

    family: RefreshFamily
    grant: Grant
    user: User | None
    consent_epoch: int
    consents: tuple[Consent, ...] = ()


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """This attempt, and no other, has the assertion."""


class AlreadyClaimed(msgspec.Struct, frozen=True, kw_only=True):
    """Another attempt had it before; nothing was changed."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The lease is this holder's."""

    until: datetime


class HeldElsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """The lease is another holder's; nothing was changed."""

    until: datetime


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt was counted and may go on."""


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """Too many attempts."""

    until: datetime


class CodeAndGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for, read in one go; `user` is None when the person is gone."""

    code: AuthorizationCode
    grant: Grant
    user: User | None
    consent_epoch: int
    consents: tuple[Consent, ...] = ()


class DeviceAndGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a person has approved, read in one go; `user` is None when the person is gone."""

    device: DeviceAuthorization
    grant: Grant
    user: User | None
    consent_epoch: int
    consents: tuple[Consent, ...] = ()


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The device polled in time, and nobody has answered yet."""


class TooSoon(msgspec.Struct, frozen=True, kw_only=True):
    """The device polled before its interval had passed; the interval is longer from now on."""

    interval_s: int


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """The device's time is over, and this is the one time that it is told."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has allowed or refused it meanwhile: read it again."""


class GrantStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A grant and today's epochs of everything it stands on; None where the record is gone, or the app disabled."""

    grant: Grant
    user: User | None
    client_epoch: int | None
    consent_epoch: int
    session_ends_at: datetime | None = None
    """When the session that the grant is bound to runs out; None: it has ended, or the grant is bound to none."""
    is_denied: bool = False
    """The very token that was asked about has been revoked."""


class ClientStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What a token stands on that a client got for itself; `client_epoch` is None when the client is gone."""

    client_epoch: int | None
    tokens_not_before: datetime | None
    is_denied: bool = False
    """The very token that was asked about has been revoked."""


class OpaqueStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An opaque token, with its grant's standing or, where it has none, its client's."""

    token: OpaqueAccessToken
    standing: GrantStanding | ClientStanding


class SessionAndUser(msgspec.Struct, frozen=True, kw_only=True):
    """A session and its person; None when the person is gone."""

    session: Session
    user: User | None


class UserAndPassword(msgspec.Struct, frozen=True, kw_only=True):
    """Who an identifier belongs to; without a local password `password` is None."""

    user: User
    password: PasswordCredential | None
