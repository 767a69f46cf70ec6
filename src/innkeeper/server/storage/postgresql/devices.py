"""Devices that wait for a person, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.device_authorization import SLOWER_S, TOLERANCE, DeviceAuthorization
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import (
    Answered,
    Blocked,
    Conflict,
    DeviceAndGrant,
    Done,
    Expired,
    Gone,
    Redeemed,
    Stale,
    TooSoon,
    Waiting,
)
from innkeeper.server.storage.postgresql import throttles
from innkeeper.server.storage.postgresql.consents import OF_GRANT, consents_in
from innkeeper.server.storage.postgresql.issuance import add_family, insert_access_token, insert_grant
from innkeeper.server.storage.postgresql.reader import Reader, Row
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import DEVICE, GRANT, USER, from_us, to_us

_TOLERANCE_US: Final = TOLERANCE // timedelta(microseconds=1)
Polled = Waiting | TooSoon | Expired | Answered | Gone
_COLUMNS: Final = "d.record, d.state, d.interval_s, d.next_poll_at, d.claimed_by, d.grant_id, d.user_id"
READ: Final = """
SELECT {columns}, g.record, g.revoked_at, u.record, coalesce(k.epoch, 0), {consents}
FROM device_codes d
LEFT JOIN grants g ON g.grant_id = d.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
WHERE d.device_key = $1
""".replace("{columns}", _COLUMNS).replace("{consents}", OF_GRANT)
START: Final = """
INSERT INTO device_codes (device_key, user_code_mac, expires_at, state, interval_s, next_poll_at, started_by, record)
VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
STARTED_BY: Final = "SELECT started_by FROM device_codes WHERE device_key = $1"
_IS_OPEN: Final = "state = 'pending' AND expires_at > $2 AND (claimed_by IS NULL OR claimed_by = $3)"
FIND: Final = """
SELECT {columns} FROM device_codes d WHERE user_code_mac = $1 AND {is_open}
""".replace("{columns}", _COLUMNS).replace("{is_open}", _IS_OPEN)
CLAIM: Final = """
UPDATE device_codes SET claimed_by = $3 WHERE device_key = $1 AND {is_open}
""".replace("{is_open}", _IS_OPEN)
MAY_APPROVE: Final = """
SELECT 1 FROM device_codes
WHERE device_key = $1 AND state = 'pending' AND expires_at > $2 AND claimed_by = $3
"""
APPROVE: Final = """
UPDATE device_codes SET state = 'approved', answered_by = $2, grant_id = $3, user_id = $4
WHERE device_key = $1
"""
DENY: Final = """
UPDATE device_codes SET state = 'denied', answered_by = $4 WHERE device_key = $1 AND {is_open}
""".replace("{is_open}", _IS_OPEN)
ANSWERED_BY: Final = "SELECT answered_by, state FROM device_codes WHERE device_key = $1"
POLLED: Final = """
SELECT state, expires_at, interval_s, next_poll_at, polled_by, polled FROM device_codes WHERE device_key = $1
"""
POLL: Final = """
UPDATE device_codes SET state = $2, interval_s = $3, next_poll_at = $4, polled_by = $5, polled = $6
WHERE device_key = $1
"""
REDEEM: Final = """
UPDATE device_codes AS d SET state = 'over', redeemed_by = $3
WHERE d.device_key = $1 AND d.state = 'approved' AND d.expires_at > $2
  AND EXISTS (
    SELECT 1 FROM grants g
    JOIN clients c ON c.client_id = g.client_id
    JOIN users u ON u.user_id = g.user_id
    LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
    WHERE g.grant_id = d.grant_id AND g.revoked_at IS NULL
      AND c.is_enabled = 1 AND c.revision = $4 AND c.epoch = $5
      AND u.is_enabled = 1 AND u.epoch = $6
      AND coalesce(k.epoch, 0) = $7
  )
"""
WHAT_HAPPENED: Final = """
SELECT d.state, d.expires_at, d.redeemed_by, g.grant_id IS NULL OR g.revoked_at IS NOT NULL
FROM device_codes d LEFT JOIN grants g ON g.grant_id = d.grant_id
WHERE d.device_key = $1
"""


class PostgresDeviceCodes:
    """See `interface.DeviceCodes`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def start(
        self,
        device: DeviceAuthorization,
        *,
        limits: Sequence[AttemptLimit],
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Conflict | Blocked:
        return await self._transitions.submit(partial(_start, device, limits, attempt, now, events))

    async def find(
        self, user_code_mac: bytes, *, browser: bytes | None, limits: Sequence[AttemptLimit], now: datetime
    ) -> DeviceAuthorization | Gone | Blocked:
        return await self._transitions.submit(partial(_find, user_code_mac, browser, limits, now))

    async def read(self, key: HandleKey) -> DeviceAuthorization | DeviceAndGrant | None:
        row = await self._reader.row(READ, (key,))
        if row is None or row[7] is None:
            return None if row is None else _device(row)
        grant = GRANT.decode(row[7])
        if row[8] is not None:
            grant = replace(grant, revoked_at=from_us(row[8]))
        user = USER.decode(row[9]) if row[9] is not None else None
        return DeviceAndGrant(
            device=_device(row),
            grant=grant,
            user=user,
            consent_epoch=row[10],
            consents=consents_in(row[11]),
        )

    async def claim(self, key: HandleKey, *, browser: bytes, now: datetime) -> Done | Gone:
        return await self._transitions.submit(partial(_claim, key, browser, now))

    async def approve(
        self,
        key: HandleKey,
        grant: Grant,
        *,
        browser: bytes,
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Gone | Stale:
        return await self._transitions.submit(partial(_approve, key, grant, browser, attempt, now, events))

    async def deny(
        self, key: HandleKey, *, browser: bytes, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Done | Gone:
        return await self._transitions.submit(partial(_deny, key, browser, attempt, now, events))

    async def poll(self, key: HandleKey, *, attempt: Attempt, now: datetime) -> Polled:
        return await self._transitions.submit(partial(_poll, key, attempt, now))

    async def redeem(
        self,
        key: HandleKey,
        *,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        events: Sequence[Event],
    ) -> Redeemed | Gone | Stale:
        run = partial(_redeem, key, attempt, now, epochs, access_token, family, events)
        return await self._transitions.submit(run)


async def _start(
    device: DeviceAuthorization,
    limits: Sequence[AttemptLimit],
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Conflict | Blocked:
    if transaction.is_retry and await transaction.row(STARTED_BY, (device.key,)) == (attempt,):
        return Done()
    if blocked := await throttles.used_up(limits, now, transaction):
        return blocked
    whose = (device.key, device.user_code_mac, to_us(device.expires_at))
    state = (device.interval_s, to_us(device.next_poll_at), attempt, DEVICE.encode(device))
    if not await transaction.change(START, (*whose, *state)):
        return (
            Done()
            if await transaction.row(STARTED_BY, (device.key,)) == (attempt,)
            else Conflict(what="user code")
        )
    await throttles.count(limits, now, transaction)
    await transaction.record(events)
    return Done()


async def _find(
    user_code_mac: bytes,
    browser: bytes | None,
    limits: Sequence[AttemptLimit],
    now: datetime,
    transaction: Transaction,
) -> DeviceAuthorization | Gone | Blocked:
    if blocked := await throttles.used_up(limits, now, transaction):
        return blocked
    row = await transaction.row(FIND, (user_code_mac, to_us(now), browser))
    if row is None:
        await throttles.count(limits, now, transaction)
        return Gone()
    return _device(row)


async def _claim(key: HandleKey, browser: bytes, now: datetime, transaction: Transaction) -> Done | Gone:
    return Done() if await transaction.change(CLAIM, (key, to_us(now), browser)) else Gone()


async def _approve(
    key: HandleKey,
    grant: Grant,
    browser: bytes,
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Gone | Stale:
    if await transaction.row(MAY_APPROVE, (key, to_us(now), browser)) is None:
        return Done() if await transaction.row(ANSWERED_BY, (key,)) == (attempt, "approved") else Gone()
    if not await insert_grant(grant, attempt, transaction):
        return Stale()
    await transaction.change(APPROVE, (key, attempt, grant.grant_id, grant.user_id))
    await transaction.record(events)
    return Done()


async def _deny(
    key: HandleKey,
    browser: bytes,
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Gone:
    if not await transaction.change(DENY, (key, to_us(now), browser, attempt)):
        return Done() if await transaction.row(ANSWERED_BY, (key,)) == (attempt, "denied") else Gone()
    await transaction.record(events)
    return Done()


async def _poll(key: HandleKey, attempt: Attempt, now: datetime, transaction: Transaction) -> Polled:
    row = await transaction.row(POLLED, (key,))
    if row is None:
        return Gone()
    state, expires_us, interval_s, next_us, polled_by, polled = row
    now_us = to_us(now)
    if polled_by == attempt:
        return _told(polled, interval_s)
    if state == "over" or (state == "denied" and expires_us <= now_us):
        return Gone()
    if expires_us <= now_us:
        state, polled = "over", "expired"
    elif state != "pending":
        return Answered()
    else:
        polled = "too_soon" if now_us + _TOLERANCE_US < next_us else "waiting"
        interval_s += SLOWER_S if polled == "too_soon" else 0
        next_us = now_us + interval_s * 1_000_000
    await transaction.change(POLL, (key, state, interval_s, next_us, attempt, polled))
    return _told(polled, interval_s)


async def _redeem(
    key: HandleKey,
    attempt: Attempt,
    now: datetime,
    epochs: Epochs,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    events: Sequence[Event],
    transaction: Transaction,
) -> Redeemed | Gone | Stale:
    basis = (epochs.client_revision, epochs.client_epoch, epochs.user_epoch, epochs.consent_epoch)
    if await transaction.change(REDEEM, (key, to_us(now), attempt, *basis)):
        await insert_access_token(access_token, transaction)
        await add_family(family, transaction)
        await transaction.record(events)
        return Redeemed()
    row = await transaction.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    state, expires_us, redeemed_by, is_revoked = row
    if redeemed_by == attempt:
        return Redeemed()
    return Gone() if state != "approved" or expires_us <= to_us(now) or is_revoked else Stale()


def _told(polled: str, interval_s: int) -> Waiting | TooSoon | Expired:
    match polled:
        case "waiting":
            return Waiting()
        case "too_soon":
            return TooSoon(interval_s=interval_s)
        case _:
            return Expired()


def _device(row: Row) -> DeviceAuthorization:
    return replace(
        DEVICE.decode(row[0]),
        state=row[1],
        interval_s=row[2],
        next_poll_at=from_us(row[3]),
        claimed_by=row[4],
        grant_id=row[5],
        user_id=row[6],
    )
