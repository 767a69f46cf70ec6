"""Devices that wait for a person, in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.device_authorization import SLOWER_S, TOLERANCE, DeviceAuthorization
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.memory import throttles
from innkeeper.server.storage.memory.refresh_families import add_family
from innkeeper.server.storage.memory.tables import DeviceRow, Tables
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

Polled = Waiting | TooSoon | Expired | Answered | Gone


class MemoryDeviceCodes:
    """See `interface.DeviceCodes`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def start(
        self,
        device: DeviceAuthorization,
        *,
        limits: Sequence[AttemptLimit],
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Conflict | Blocked:
        return self._tables.transition(partial(self._start, device, limits, attempt, now, events))

    async def find(
        self, user_code_mac: bytes, *, browser: bytes | None, limits: Sequence[AttemptLimit], now: datetime
    ) -> DeviceAuthorization | Gone | Blocked:
        return self._tables.transition(partial(self._find, user_code_mac, browser, limits, now))

    async def read(self, key: HandleKey) -> DeviceAuthorization | DeviceAndGrant | None:
        return self._tables.read(partial(self._read, key))

    async def claim(self, key: HandleKey, *, browser: bytes, now: datetime) -> Done | Gone:
        return self._tables.transition(partial(self._claim, key, browser, now))

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
        return self._tables.transition(partial(self._approve, key, grant, browser, attempt, now, events))

    async def deny(
        self, key: HandleKey, *, browser: bytes, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Done | Gone:
        return self._tables.transition(partial(self._deny, key, browser, attempt, now, events))

    async def poll(self, key: HandleKey, *, attempt: Attempt, now: datetime) -> Polled:
        return self._tables.transition(partial(self._poll, key, attempt, now))

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
        run = partial(self._redeem, key, attempt, now, epochs, access_token, family, events)
        return self._tables.transition(run)

    def _start(
        self,
        device: DeviceAuthorization,
        limits: Sequence[AttemptLimit],
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Conflict | Blocked:
        tables = self._tables
        stored = tables.device_codes.get(device.key)
        if stored is not None and stored.started_by == attempt:
            return Done()
        if blocked := throttles.used_up(tables, limits, now):
            return blocked
        if stored is not None or self._showing(device.user_code_mac) is not None:
            return Conflict(what="user code")
        throttles.count(tables, limits, now)
        tables.device_codes[device.key] = DeviceRow(device=device, started_by=attempt)
        tables.record(events)
        return Done()

    def _find(
        self,
        user_code_mac: bytes,
        browser: bytes | None,
        limits: Sequence[AttemptLimit],
        now: datetime,
        is_retry: bool,
    ) -> DeviceAuthorization | Gone | Blocked:
        if blocked := throttles.used_up(self._tables, limits, now):
            return blocked
        row = self._showing(user_code_mac)
        if row is None or not _is_open(row.device, now) or row.device.claimed_by not in (None, browser):
            throttles.count(self._tables, limits, now)
            return Gone()
        return row.device

    def _showing(self, user_code_mac: bytes) -> DeviceRow | None:
        rows = self._tables.device_codes.values()
        return next((row for row in rows if row.device.user_code_mac == user_code_mac), None)

    def _read(self, key: HandleKey) -> DeviceAuthorization | DeviceAndGrant | None:
        row = self._tables.device_codes.get(key)
        if row is None or row.device.grant_id is None:
            return None if row is None else row.device
        grant = self._tables.grants.get(row.device.grant_id)
        if grant is None:
            return row.device
        return DeviceAndGrant(
            device=row.device,
            grant=grant,
            user=self._tables.users.get(grant.user_id),
            consent_epoch=self._tables.consent_epoch(grant.user_id, grant.client_id, grant.api),
            consents=self._tables.consents_of(grant.user_id, grant.client_id),
        )

    def _claim(self, key: HandleKey, browser: bytes, now: datetime, is_retry: bool) -> Done | Gone:
        row = self._tables.device_codes.get(key)
        if row is None or not _is_open(row.device, now) or row.device.claimed_by not in (None, browser):
            return Gone()
        self._tables.device_codes[key] = replace(row, device=replace(row.device, claimed_by=browser))
        return Done()

    def _approve(
        self,
        key: HandleKey,
        grant: Grant,
        browser: bytes,
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Gone | Stale:
        tables = self._tables
        row = tables.device_codes.get(key)
        if row is None:
            return Gone()
        if row.answered_by == attempt and row.device.state == "approved":
            return Done()
        if not _is_open(row.device, now) or row.device.claimed_by != browser:
            return Gone()
        if not tables.may_begin(grant):
            return Stale()
        tables.grants[grant.grant_id] = grant
        device = replace(row.device, state="approved", grant_id=grant.grant_id, user_id=grant.user_id)
        tables.device_codes[key] = replace(row, device=device, answered_by=attempt)
        tables.record(events)
        return Done()

    def _deny(
        self,
        key: HandleKey,
        browser: bytes,
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Gone:
        row = self._tables.device_codes.get(key)
        if row is None:
            return Gone()
        if row.answered_by == attempt and row.device.state == "denied":
            return Done()
        if not _is_open(row.device, now) or row.device.claimed_by not in (None, browser):
            return Gone()
        device = replace(row.device, state="denied")
        self._tables.device_codes[key] = replace(row, device=device, answered_by=attempt)
        self._tables.record(events)
        return Done()

    def _poll(self, key: HandleKey, attempt: Attempt, now: datetime, is_retry: bool) -> Polled:
        row = self._tables.device_codes.get(key)
        if row is None:
            return Gone()
        if row.polled_by == attempt:
            return _told(row)
        device = row.device
        if device.state == "over" or (device.state == "denied" and device.expires_at <= now):
            return Gone()
        if device.expires_at <= now:
            device, polled = replace(device, state="over"), "expired"
        elif device.state != "pending":
            return Answered()
        else:
            polled = "too_soon" if now + TOLERANCE < device.next_poll_at else "waiting"
            interval_s = device.interval_s + (SLOWER_S if polled == "too_soon" else 0)
            next_poll_at = now + timedelta(seconds=interval_s)
            device = replace(device, interval_s=interval_s, next_poll_at=next_poll_at)
        row = replace(row, device=device, polled_by=attempt, polled=polled)
        self._tables.device_codes[key] = row
        return _told(row)

    def _redeem(
        self,
        key: HandleKey,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Redeemed | Gone | Stale:
        tables = self._tables
        row = tables.device_codes.get(key)
        if row is None:
            return Gone()
        if row.redeemed_by == attempt:
            return Redeemed()
        grant = tables.grants.get(row.device.grant_id) if row.device.grant_id is not None else None
        if row.device.state != "approved" or row.device.expires_at <= now or grant is None:
            return Gone()
        if grant.revoked_at is not None:
            return Gone()
        consent_epoch = tables.consent_epoch(grant.user_id, grant.client_id, grant.api)
        if not tables.is_current(grant.user_id, grant.client_id, epochs, consent_epoch=consent_epoch):
            return Stale()
        device = replace(row.device, state="over")
        tables.device_codes[key] = replace(row, device=device, redeemed_by=attempt)
        if access_token is not None:
            tables.access_tokens[access_token.key] = access_token
        add_family(tables, family)
        tables.record(events)
        return Redeemed()


def _is_open(device: DeviceAuthorization, now: datetime) -> bool:
    return device.state == "pending" and now < device.expires_at


def _told(row: DeviceRow) -> Waiting | TooSoon | Expired:
    match row.polled:
        case "waiting":
            return Waiting()
        case "too_soon":
            return TooSoon(interval_s=row.device.interval_s)
        case _:
            return Expired()
