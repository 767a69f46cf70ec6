"""Whether what a grant produced still lives: the grant, and the epochs of everything it stands on."""

from datetime import datetime

from innkeeper.server.model.session import Session
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import ClientStanding, GrantStanding


def is_live(standing: GrantStanding | None, now: datetime) -> bool:
    """It stands, and so does the session that it is bound to (R-RT16)."""
    if standing is None or not stands(standing):
        return False
    if standing.grant.bound_to is None:
        return True
    return standing.session_ends_at is not None and now < standing.session_ends_at


def stands(standing: GrantStanding) -> bool:
    """Not revoked, and person, client and consent have not been ended since. Of the session it says nothing."""
    if standing.is_denied or standing.grant.revoked_at is not None or standing.user is None:
        return False
    epochs = standing.grant.epochs
    return (
        standing.user.is_enabled
        and standing.user.epoch == epochs.user_epoch
        and standing.client_epoch == epochs.client_epoch
        and standing.consent_epoch == epochs.consent_epoch
    )


def is_client_token_live(
    standing: ClientStanding, client_epoch: int | None, issued_at: datetime | None
) -> bool:
    """Of a token that a client got for itself: not denied, and the client has not been ended since.

    The epoch is exact. `tokens_not_before` is compared by seconds, since `iat` has no more.
    """
    not_before = standing.tokens_not_before
    return (
        not standing.is_denied
        and client_epoch is not None
        and standing.client_epoch == client_epoch
        and issued_at is not None
        and (not_before is None or int(issued_at.timestamp()) >= int(not_before.timestamp()))
    )


def is_session_live(session: Session, user: User | None, now: datetime) -> bool:
    """Neither limit is reached, and the person has not been disabled or ended since."""
    return (
        user is not None
        and user.is_enabled
        and user.epoch == session.user_epoch
        and now < session.idle_expires_at
        and now < session.absolute_expires_at
    )
