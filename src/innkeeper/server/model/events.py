"""What can happen, one record type each. Every event goes to the log; those that change state are audit rows too."""

from datetime import datetime
from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Common to all. `type` is stable and documented; values hold ids, never secrets."""

    type: ClassVar[str] = ""
    at: datetime
    correlation_id: str = ""
    client_id: str | None = None
    user_id: str | None = None
    ip: str | None = None


class SignedIn(Event, frozen=True, kw_only=True):
    """A person proved who they are."""

    type: ClassVar[str] = "sign_in.succeeded"
    sid: str = ""
    amr: tuple[str, ...] = ()


class SignInFailed(Event, frozen=True, kw_only=True):
    """Wrong password, unknown or disabled account; which one is for the log only."""

    type: ClassVar[str] = "sign_in.failed"
    reason: str = ""


class SignInBlocked(Event, frozen=True, kw_only=True):
    """Too many attempts; no password was checked."""

    type: ClassVar[str] = "sign_in.blocked"


class SessionEnded(Event, frozen=True, kw_only=True):
    """A person signed out in one browser; `client_id` is the app that asked for it, if one did."""

    type: ClassVar[str] = "session.ended"
    sid: str = ""


class ConsentGiven(Event, frozen=True, kw_only=True):
    """A person allowed these scopes."""

    type: ClassVar[str] = "consent.given"
    api: str | None = None
    scope: str = ""


class ConsentDenied(Event, frozen=True, kw_only=True):
    """A person said no. Nothing was stored."""

    type: ClassVar[str] = "consent.denied"


class ConsentRevoked(Event, frozen=True, kw_only=True):
    """A consent was taken back; every grant that stood on it ends."""

    type: ClassVar[str] = "consent.revoked"


class CodeIssued(Event, frozen=True, kw_only=True):
    """An authorization was completed. What `response_type` names besides the code left by the browser too."""

    type: ClassVar[str] = "code.issued"
    grant_id: str = ""
    scope: str = ""
    response_type: str = "code"


class CodeRedeemed(Event, frozen=True, kw_only=True):
    """A code became tokens."""

    type: ClassVar[str] = "code.redeemed"
    grant_id: str = ""
    scope: str = ""


class CodeReplayed(Event, frozen=True, kw_only=True):
    """A code that was already redeemed came again, otherwise valid: its grant is revoked."""

    type: ClassVar[str] = "code.replayed"
    grant_id: str = ""


class CodeBurnt(Event, frozen=True, kw_only=True):
    """The right client presented a code wrongly (verifier or redirect_uri): the code is dead."""

    type: ClassVar[str] = "code.burnt"
    grant_id: str = ""


class DeviceStarted(Event, frozen=True, kw_only=True):
    """A device asked for a code to show."""

    type: ClassVar[str] = "device.started"
    api: str | None = None
    scope: str = ""


class DeviceCodeRefused(Event, frozen=True, kw_only=True):
    """Somebody typed a code that no device shows, or that is over or in another's hands."""

    type: ClassVar[str] = "device.code_refused"


class DeviceBlocked(Event, frozen=True, kw_only=True):
    """Too many wrong codes, or too many starts; nothing was looked up."""

    type: ClassVar[str] = "device.blocked"


class DeviceApproved(Event, frozen=True, kw_only=True):
    """A person allowed a device: an authorization was completed."""

    type: ClassVar[str] = "device.approved"
    grant_id: str = ""
    scope: str = ""


class DeviceDenied(Event, frozen=True, kw_only=True):
    """A person refused a device."""

    type: ClassVar[str] = "device.denied"


class DeviceRedeemed(Event, frozen=True, kw_only=True):
    """A device got its tokens."""

    type: ClassVar[str] = "device.redeemed"
    grant_id: str = ""
    scope: str = ""


class RefreshRotated(Event, frozen=True, kw_only=True):
    """A refresh token became new tokens."""

    type: ClassVar[str] = "refresh.rotated"
    grant_id: str = ""
    api: str | None = None
    scope: str = ""


class RefreshOverlapped(Event, frozen=True, kw_only=True):
    """The refresh token before the living one came again, and soon: it got the same successor once more."""

    type: ClassVar[str] = "refresh.overlapped"
    grant_id: str = ""
    api: str | None = None
    scope: str = ""


class RefreshOverlapSpent(Event, frozen=True, kw_only=True):
    """The refresh token before the living one came again, soon, but too often: it got nothing. Nothing was revoked."""

    type: ClassVar[str] = "refresh.overlap_spent"
    grant_id: str = ""


class RefreshUntold(Event, frozen=True, kw_only=True):
    """A rotation happened although its app was told 503: the token before it is good until somebody is answered."""

    type: ClassVar[str] = "refresh.untold"
    grant_id: str = ""


class RefreshReused(Event, frozen=True, kw_only=True):
    """A refresh token that had been used before came again: somebody has copied it. Its grant is revoked."""

    type: ClassVar[str] = "refresh.reused"
    grant_id: str = ""


class RefreshAhead(Event, frozen=True, kw_only=True):
    """A refresh token is younger than the database: it went back in time. The grant is revoked."""

    type: ClassVar[str] = "refresh.ahead"
    grant_id: str = ""


class GrantOpened(Event, frozen=True, kw_only=True):
    """An authorization was completed without a code and became tokens, at either endpoint."""

    type: ClassVar[str] = "grant.opened"
    grant_id: str = ""
    grant_type: str = ""
    api: str | None = None
    scope: str = ""
    asserted_by: str | None = None
    """Whose word it was, if another issuer's."""


class GrantRevoked(Event, frozen=True, kw_only=True):
    """An app gave a refresh token back, or an administrator ended it: all that came from it ends."""

    type: ClassVar[str] = "grant.revoked"
    grant_id: str = ""


class AccessTokenDenied(Event, frozen=True, kw_only=True):
    """An app gave an access token back."""

    type: ClassVar[str] = "access_token.denied"
    grant_id: str = ""


class TokenIssued(Event, frozen=True, kw_only=True):
    """A grant without a row of its own produced an access token."""

    type: ClassVar[str] = "token.issued"
    grant_type: str = ""
    api: str | None = None
    scope: str = ""


class TokenRefused(Event, frozen=True, kw_only=True):
    """The token endpoint said no."""

    type: ClassVar[str] = "token.refused"
    error: str = ""
    detail: str = ""


class AuthorizationRefused(Event, frozen=True, kw_only=True):
    """The authorization endpoint said no, by redirect or by page."""

    type: ClassVar[str] = "authorization.refused"
    error: str = ""
    detail: str = ""


class HookFailed(Event, frozen=True, kw_only=True):
    """An operator's hook raised an error, took too long or answered what cannot be taken: nothing was issued."""

    type: ClassVar[str] = "hook.failed"
    hook: str = ""
    detail: str = ""


class RecordChanged(Event, frozen=True, kw_only=True):
    """An administrator created, changed or deleted a record."""

    type: ClassVar[str] = "record.changed"
    kind: str = ""
    id: str = ""
    change: str = ""


class RiskAcknowledged(Event, frozen=True, kw_only=True):
    """An administrator gave an app what new apps should not have, and said that they know."""

    type: ClassVar[str] = "risk.acknowledged"
    risk: str = ""


class KeysRotated(Event, frozen=True, kw_only=True):
    """The signing key of an algorithm changed."""

    type: ClassVar[str] = "keys.rotated"
    alg: str = ""
    kid: str = ""


class DatabaseRestored(Event, frozen=True, kw_only=True):
    """A backup was brought back: what may have been revoked since it was made is ended."""

    type: ClassVar[str] = "database.restored"
    made_at: str = ""


class DatabaseMoved(Event, frozen=True, kw_only=True):
    """Everything has arrived from another store."""

    type: ClassVar[str] = "database.moved"
    origin: str = ""


class RequestFailed(Event, frozen=True, kw_only=True):
    """What a person saw as an error page, under the id they were shown."""

    type: ClassVar[str] = "request.failed"
    error_id: str = ""
    error: str = ""
    detail: str = ""
