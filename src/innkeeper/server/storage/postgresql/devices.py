"""Devices that wait for a person, in PostgreSQL."""

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
from innkeeper.server.storage.postgresql import throttles
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.consents import OF_GRANT
from innkeeper.server.storage.postgresql.issuance import (
    BASIS,
    GRANT_FOLLOWS,
    GRANT_LASTS,
    STANDS,
    is_won,
    values_of_epochs,
    values_of_grant,
    with_family,
    with_token,
)
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import Winning
from innkeeper.server.storage.rows import DEVICE, Value, to_us

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
INSERT INTO device_codes
    (device_key, user_code_mac, expires_at, state, interval_s, next_poll_at, started_by, record)
VALUES
    (:device_key, :user_code_mac, :expires_at, 'pending', :interval_s, :next_poll_at, :attempt, :record)
ON CONFLICT DO NOTHING RETURNING device_key
"""
STARTED_BY: Final = "SELECT started_by FROM device_codes WHERE device_key = $1"
_IS_OPEN: Final = "state = 'pending' AND expires_at > $2 AND (claimed_by IS NULL OR claimed_by = $3)"
FIND: Final = """
SELECT {columns} FROM device_codes d WHERE user_code_mac = $1 AND {is_open}
""".replace("{columns}", _COLUMNS).replace("{is_open}", _IS_OPEN)
CLAIM: Final = """
UPDATE device_codes SET claimed_by = $3 WHERE device_key = $1 AND {is_open}
""".replace("{is_open}", _IS_OPEN)
APPROVE: Final = """
UPDATE device_codes SET state = 'approved', answered_by = :attempt, grant_id = :grant_id, user_id = :user_id
WHERE device_key = :device_key AND state = 'pending' AND expires_at > :now AND claimed_by = :browser
  AND EXISTS (SELECT 1 {basis})
RETURNING device_key
""".replace("{basis}", BASIS)
DENY: Final = """
UPDATE device_codes SET state = 'denied', answered_by = :attempt
WHERE device_key = :device_key AND state = 'pending' AND expires_at > :now
  AND (claimed_by IS NULL OR claimed_by = :browser)
RETURNING device_key
"""
ANSWERED: Final = """
SELECT answered_by, state, state = 'pending' AND expires_at > $2 AND claimed_by = $3
FROM device_codes WHERE device_key = $1
"""
# A poll is answered once: `polled_by` tells a repeated try of it from the next one.
POLL: Final = """
UPDATE device_codes SET
    state = CASE WHEN expires_at <= :now THEN 'over' ELSE state END,
    polled = CASE WHEN expires_at <= :now THEN 'expired'
        WHEN next_poll_at > :tolerated THEN 'too_soon' ELSE 'waiting' END,
    interval_s = interval_s + CASE WHEN expires_at > :now AND next_poll_at > :tolerated THEN :slower ELSE 0 END,
    next_poll_at = CASE WHEN expires_at <= :now THEN next_poll_at
        WHEN next_poll_at > :tolerated THEN :now + (interval_s + :slower) * 1000000
        ELSE :now + interval_s * 1000000 END,
    polled_by = :attempt
WHERE device_key = :device_key AND (polled_by IS NULL OR polled_by <> :attempt)
  AND (state = 'pending' OR (state = 'approved' AND expires_at <= :now))
RETURNING polled, interval_s
"""
POLLED: Final = """
SELECT state, expires_at, interval_s, polled_by, polled FROM device_codes WHERE device_key = $1
"""
REDEEM: Final = """
UPDATE device_codes AS a SET state = 'over', redeemed_by = :attempt
WHERE a.device_key = :device_key AND a.state = 'approved' AND a.expires_at > :now
  AND {stands}
RETURNING device_key
""".replace("{stands}", STANDS.replace("{and_its_session}", ""))
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
        return await self._transitions.together(
            partial(_start, device, limits, attempt, now, AuditRows(events))
        )

    async def find(
        self, user_code_mac: bytes, *, browser: bytes | None, limits: Sequence[AttemptLimit], now: datetime
    ) -> DeviceAuthorization | Gone | Blocked:
        return await self._transitions.at_once(partial(_find, user_code_mac, browser, limits, now))

    async def read(self, key: HandleKey) -> DeviceAuthorization | DeviceAndGrant | None:
        row = await self._reader.row(READ, (key,))
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
        return await self._transitions.at_once(partial(_claim, key, browser, now))

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
        run = partial(_approve, key, grant, browser, attempt, now, AuditRows(events))
        return await self._transitions.at_once(run)

    async def deny(
        self, key: HandleKey, *, browser: bytes, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Done | Gone:
        return await self._transitions.at_once(partial(_deny, key, browser, attempt, now, AuditRows(events)))

    async def poll(self, key: HandleKey, *, attempt: Attempt, now: datetime) -> Polled:
        return await self._transitions.at_once(partial(_poll, key, attempt, now))

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
        run = partial(_redeem, key, attempt, now, epochs, access_token, family, AuditRows(events))
        return await self._transitions.at_once(run)


async def _start(
    device: DeviceAuthorization,
    limits: Sequence[AttemptLimit],
    attempt: Attempt,
    now: datetime,
    audit: AuditRows,
    transaction: Transaction,
) -> Done | Conflict | Blocked:
    """Two statements and one transaction: a device that is one too many is undone."""
    values: dict[str, Value] = {
        "device_key": device.key,
        "user_code_mac": device.user_code_mac,
        "expires_at": to_us(device.expires_at),
        "interval_s": device.interval_s,
        "next_poll_at": to_us(device.next_poll_at),
        "attempt": attempt,
        "record": DEVICE.encode(device),
    }
    starting = Winning(START, values)
    starting.recorded(audit)
    if await starting.row(transaction) is None:
        is_ours = await transaction.row(STARTED_BY, (device.key,)) == (attempt,)
        return Done() if is_ours else Conflict(what="user code")
    counted = await throttles.attempt(limits, now, transaction)
    if isinstance(counted, Blocked):
        transaction.undo()
        return counted
    return Done()


async def _find(
    user_code_mac: bytes,
    browser: bytes | None,
    limits: Sequence[AttemptLimit],
    now: datetime,
    statements: Statements,
) -> DeviceAuthorization | Gone | Blocked:
    """A right code costs two reads, a wrong one is counted, or not answered as wrong once too many were."""
    if blocked := await throttles.used_up(limits, now, statements):
        return blocked
    row = await statements.row(FIND, (user_code_mac, to_us(now), browser))
    if row is not None:
        return device_of(row)
    counted = await throttles.attempt(limits, now, statements)
    return counted if isinstance(counted, Blocked) else Gone()


async def _claim(key: HandleKey, browser: bytes, now: datetime, statements: Statements) -> Done | Gone:
    return Done() if await statements.change(CLAIM, (key, to_us(now), browser)) else Gone()


async def _approve(
    key: HandleKey,
    grant: Grant,
    browser: bytes,
    attempt: Attempt,
    now: datetime,
    audit: AuditRows,
    statements: Statements,
) -> Done | Gone | Stale:
    values: dict[str, Value] = {"device_key": key, "browser": browser, "now": to_us(now)}
    approving = Winning(APPROVE, values | values_of_grant(grant, None, attempt))
    approving.then("opened", GRANT_FOLLOWS, {})
    approving.recorded(audit)
    if await approving.row(statements) is not None:
        return Done()
    row = await statements.row(ANSWERED, (key, to_us(now), browser))
    if row is None:
        return Gone()
    answered_by, state, may_approve = row
    if answered_by == attempt and state in ("approved", "over"):
        return Done()
    return Stale() if may_approve else Gone()


async def _deny(
    key: HandleKey,
    browser: bytes,
    attempt: Attempt,
    now: datetime,
    audit: AuditRows,
    statements: Statements,
) -> Done | Gone:
    values: dict[str, Value] = {
        "device_key": key,
        "browser": browser,
        "now": to_us(now),
        "attempt": attempt,
    }
    denying = Winning(DENY, values)
    denying.recorded(audit)
    if await denying.row(statements) is not None:
        return Done()
    row = await statements.row(ANSWERED, (key, to_us(now), browser))
    return Done() if row is not None and row[:2] == (attempt, "denied") else Gone()


async def _poll(key: HandleKey, attempt: Attempt, now: datetime, statements: Statements) -> Polled:
    now_us = to_us(now)
    values: dict[str, Value] = {
        "device_key": key,
        "attempt": attempt,
        "now": now_us,
        "tolerated": now_us + _TOLERANCE_US,
        "slower": SLOWER_S,
    }
    told = await Winning(POLL, values).row(statements, "SELECT polled, interval_s FROM won")
    if told is not None:
        return poll_outcome(*told)
    row = await statements.row(POLLED, (key,))
    if row is None:
        return Gone()
    state, expires_us, interval_s, polled_by, polled = row
    if polled_by == attempt:
        return poll_outcome(polled, interval_s)
    is_over = state == "over" or (state == "denied" and expires_us <= now_us)
    return Gone() if is_over else Answered()


async def _redeem(
    key: HandleKey,
    attempt: Attempt,
    now: datetime,
    epochs: Epochs,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    audit: AuditRows,
    statements: Statements,
) -> Redeemed | Gone | Stale:
    values = {"device_key": key, "attempt": attempt, "now": to_us(now), **values_of_epochs(epochs)}
    redeeming = Winning(REDEEM, values)
    with_token(redeeming, access_token)
    if family is not None:
        with_family(redeeming, family)
        redeeming.then("lasting", GRANT_LASTS, {})
    redeeming.recorded(audit)
    if await is_won(redeeming, family, statements):
        return Redeemed()
    row = await statements.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    state, expires_us, redeemed_by, is_revoked = row
    if redeemed_by == attempt:
        return Redeemed()
    return Gone() if state != "approved" or expires_us <= to_us(now) or is_revoked else Stale()
