"""Devices that wait for a person, in SQLite."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.device_authorization import SLOWER_S, TOLERANCE, DeviceAuthorization
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.columns import consents_in, device_of, grant_of, poll_outcome, user_of
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
from innkeeper.server.storage.rows import DEVICE, to_us
from innkeeper.server.storage.sqlite import throttles
from innkeeper.server.storage.sqlite.consents import OF_GRANT
from innkeeper.server.storage.sqlite.issuance import add_family, insert_access_token, insert_grant
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

_TOLERANCE_US: Final = TOLERANCE // timedelta(microseconds=1)
Polled = Waiting | TooSoon | Expired | Answered | Gone
_COLUMNS: Final = "d.record, d.state, d.interval_s, d.next_poll_at, d.claimed_by, d.grant_id, d.user_id"
READ: Final = """
SELECT {columns}, g.record, g.revoked_at, u.record, coalesce(k.epoch, 0), {consents}
FROM device_codes d
LEFT JOIN grants g ON g.grant_id = d.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
WHERE d.device_key = ?1
""".replace("{columns}", _COLUMNS).replace("{consents}", OF_GRANT)
START: Final = """
INSERT INTO device_codes (device_key, user_code_mac, expires_at, state, interval_s, next_poll_at, started_by, record)
VALUES (?1, ?2, ?3, 'pending', ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING
"""
STARTED_BY: Final = "SELECT started_by FROM device_codes WHERE device_key = ?1"
_IS_OPEN: Final = "state = 'pending' AND expires_at > ?2 AND (claimed_by IS NULL OR claimed_by = ?3)"
FIND: Final = """
SELECT {columns} FROM device_codes d WHERE user_code_mac = ?1 AND {is_open}
""".replace("{columns}", _COLUMNS).replace("{is_open}", _IS_OPEN)
CLAIM: Final = """
UPDATE device_codes SET claimed_by = ?3 WHERE device_key = ?1 AND {is_open}
""".replace("{is_open}", _IS_OPEN)
MAY_APPROVE: Final = """
SELECT 1 FROM device_codes
WHERE device_key = ?1 AND state = 'pending' AND expires_at > ?2 AND claimed_by = ?3
"""
APPROVE: Final = """
UPDATE device_codes SET state = 'approved', answered_by = ?2, grant_id = ?3, user_id = ?4
WHERE device_key = ?1
"""
DENY: Final = """
UPDATE device_codes SET state = 'denied', answered_by = ?4 WHERE device_key = ?1 AND {is_open}
""".replace("{is_open}", _IS_OPEN)
ANSWERED_BY: Final = "SELECT answered_by, state FROM device_codes WHERE device_key = ?1"
POLLED: Final = """
SELECT state, expires_at, interval_s, next_poll_at, polled_by, polled FROM device_codes WHERE device_key = ?1
"""
POLL: Final = """
UPDATE device_codes SET state = ?2, interval_s = ?3, next_poll_at = ?4, polled_by = ?5, polled = ?6
WHERE device_key = ?1
"""
REDEEM: Final = """
UPDATE device_codes AS d SET state = 'over', redeemed_by = ?3
WHERE d.device_key = ?1 AND d.state = 'approved' AND d.expires_at > ?2
  AND EXISTS (
    SELECT 1 FROM grants g
    JOIN clients c ON c.client_id = g.client_id
    JOIN users u ON u.user_id = g.user_id
    LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
    WHERE g.grant_id = d.grant_id AND g.revoked_at IS NULL
      AND c.is_enabled = 1 AND c.revision = ?4 AND c.epoch = ?5
      AND u.is_enabled = 1 AND u.epoch = ?6
      AND coalesce(k.epoch, 0) = ?7
  )
"""
WHAT_HAPPENED: Final = """
SELECT d.state, d.expires_at, d.redeemed_by, g.grant_id IS NULL OR g.revoked_at IS NOT NULL
FROM device_codes d LEFT JOIN grants g ON g.grant_id = d.grant_id
WHERE d.device_key = ?1
"""


class SqliteDeviceCodes:
    """See `interface.DeviceCodes`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def start(
        self,
        device: DeviceAuthorization,
        *,
        limits: Sequence[AttemptLimit],
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Conflict | Blocked:
        return await self._writer.submit(partial(_start, device, limits, attempt, now, events))

    async def find(
        self, user_code_mac: bytes, *, browser: bytes | None, limits: Sequence[AttemptLimit], now: datetime
    ) -> DeviceAuthorization | Gone | Blocked:
        return await self._writer.submit(partial(_find, user_code_mac, browser, limits, now))

    async def read(self, key: HandleKey) -> DeviceAuthorization | DeviceAndGrant | None:
        row = self._reader.row(READ, (key,))
        if row is None or row[7] is None:
            return None if row is None else device_of(row)
        return DeviceAndGrant(
            device=device_of(row),
            grant=grant_of(row[7], row[8]),
            user=user_of(row[9]),
            consent_epoch=row[10],
            consents=consents_in(row[11]),
        )

    async def claim(self, key: HandleKey, *, browser: bytes, now: datetime) -> Done | Gone:
        return await self._writer.submit(partial(_claim, key, browser, now))

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
        return await self._writer.submit(partial(_approve, key, grant, browser, attempt, now, events))

    async def deny(
        self, key: HandleKey, *, browser: bytes, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Done | Gone:
        return await self._writer.submit(partial(_deny, key, browser, attempt, now, events))

    async def poll(self, key: HandleKey, *, attempt: Attempt, now: datetime) -> Polled:
        return await self._writer.submit(partial(_poll, key, attempt, now))

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
        return await self._writer.submit(run)


def _start(
    device: DeviceAuthorization,
    limits: Sequence[AttemptLimit],
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Conflict | Blocked:
    if transaction.is_retry and transaction.row(STARTED_BY, (device.key,)) == (attempt,):
        return Done()
    if blocked := throttles.used_up(limits, now, transaction):
        return blocked
    whose = (device.key, device.user_code_mac, to_us(device.expires_at))
    state = (device.interval_s, to_us(device.next_poll_at), attempt, DEVICE.encode(device))
    if not transaction.change(START, (*whose, *state)):
        return (
            Done() if transaction.row(STARTED_BY, (device.key,)) == (attempt,) else Conflict(what="user code")
        )
    throttles.count(limits, now, transaction)
    transaction.record(events)
    return Done()


def _find(
    user_code_mac: bytes,
    browser: bytes | None,
    limits: Sequence[AttemptLimit],
    now: datetime,
    transaction: Transaction,
) -> DeviceAuthorization | Gone | Blocked:
    if blocked := throttles.used_up(limits, now, transaction):
        return blocked
    row = transaction.row(FIND, (user_code_mac, to_us(now), browser))
    if row is None:
        throttles.count(limits, now, transaction)
        return Gone()
    return device_of(row)


def _claim(key: HandleKey, browser: bytes, now: datetime, transaction: Transaction) -> Done | Gone:
    return Done() if transaction.change(CLAIM, (key, to_us(now), browser)) else Gone()


def _approve(
    key: HandleKey,
    grant: Grant,
    browser: bytes,
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Gone | Stale:
    if transaction.row(MAY_APPROVE, (key, to_us(now), browser)) is None:
        return Done() if transaction.row(ANSWERED_BY, (key,)) == (attempt, "approved") else Gone()
    if not insert_grant(grant, attempt, transaction):
        return Stale()
    transaction.change(APPROVE, (key, attempt, grant.grant_id, grant.user_id))
    transaction.record(events)
    return Done()


def _deny(
    key: HandleKey,
    browser: bytes,
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Gone:
    if not transaction.change(DENY, (key, to_us(now), browser, attempt)):
        return Done() if transaction.row(ANSWERED_BY, (key,)) == (attempt, "denied") else Gone()
    transaction.record(events)
    return Done()


def _poll(key: HandleKey, attempt: Attempt, now: datetime, transaction: Transaction) -> Polled:
    row = transaction.row(POLLED, (key,))
    if row is None:
        return Gone()
    state, expires_us, interval_s, next_us, polled_by, polled = row
    now_us = to_us(now)
    if polled_by == attempt:
        return poll_outcome(polled, interval_s)
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
    transaction.change(POLL, (key, state, interval_s, next_us, attempt, polled))
    return poll_outcome(polled, interval_s)


def _redeem(
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
    if transaction.change(REDEEM, (key, to_us(now), attempt, *basis)):
        insert_access_token(access_token, transaction)
        add_family(family, transaction)
        transaction.record(events)
        return Redeemed()
    row = transaction.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    state, expires_us, redeemed_by, is_revoked = row
    if redeemed_by == attempt:
        return Redeemed()
    return Gone() if state != "approved" or expires_us <= to_us(now) or is_revoked else Stale()
