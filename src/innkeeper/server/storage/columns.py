"""What the columns of a read stand for: alike in every store that keeps records beside columns.

A record is as it was written; what a transition changes since stands in columns and is read from there.
"""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from innkeeper.server.model.consent import Consent
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import ClientStanding, Expired, GrantStanding, TooSoon, Waiting
from innkeeper.server.storage.rows import DEVICE, FAMILY, GRANT, USER, from_us

Row = tuple[Any, ...]
_CONSENTS: Final = msgspec.json.Decoder(tuple[Consent, ...])


def grant_of(record: bytes, revoked_us: int | None) -> Grant:
    """Revoked or not is the column's to say."""
    grant = GRANT.decode(record)
    return grant if revoked_us is None else replace(grant, revoked_at=from_us(revoked_us))


def user_of(record: bytes | None) -> User | None:
    """None: the person is gone."""
    return None if record is None else USER.decode(record)


def consents_in(column: str | None) -> tuple[Consent, ...]:
    """From the column `OF_GRANT`; nothing when there is no row."""
    return () if column is None else _CONSENTS.decode(column)


def family_of(row: Row) -> RefreshFamily:
    """From the first eight columns of a read of refresh families."""
    family = FAMILY.decode(row[0])
    return replace(
        family,
        generation=row[1],
        idle_expires_at=from_us(row[2]),
        rotated_at=None if row[3] is None else from_us(row[3]),
        rotated_by=None if row[4] is None else Attempt(row[4]),
        overlaps=row[5],
        is_rotating=bool(row[6]),
        untold_generation=row[7],
    )


def device_of(row: Row) -> DeviceAuthorization:
    """From the first seven columns of a read of device codes."""
    return replace(
        DEVICE.decode(row[0]),
        state=row[1],
        interval_s=row[2],
        next_poll_at=from_us(row[3]),
        claimed_by=row[4],
        grant_id=row[5],
        user_id=row[6],
    )


def poll_outcome(polled: str, interval_s: int) -> Waiting | TooSoon | Expired:
    """What a poll is told, from the column `polled`; `interval_s` as it is after this poll (RFC 8628 §3.5)."""
    match polled:
        case "waiting":
            return Waiting()
        case "too_soon":
            return TooSoon(interval_s=interval_s)
        case _:
            return Expired()


def standing_of(row: Row) -> GrantStanding:
    """From the first seven columns of `STANDING`."""
    return GrantStanding(
        grant=grant_of(row[0], row[1]),
        user=user_of(row[2]),
        client_epoch=row[3],
        consent_epoch=row[4],
        session_ends_at=None if row[6] is None else from_us(row[6]),
        is_denied=bool(row[5]),
    )


def client_standing_of(epoch: int | None, not_before_us: int | None, is_denied: int) -> ClientStanding:
    """From the columns of a read about a client itself."""
    return ClientStanding(
        client_epoch=epoch,
        tokens_not_before=None if not_before_us is None else from_us(not_before_us),
        is_denied=bool(is_denied),
    )
