"""Devices that wait for a person (RFC 8628)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.device_authorization import DeviceAuthorization
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


class DeviceCodes(Protocol):
    """Device codes, user codes and what became of them."""

    async def start(
        self,
        device: DeviceAuthorization,
        *,
        limits: Sequence[AttemptLimit],
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Conflict | Blocked:
        """Counted on `limits` and inserted, both or neither. The user code is another's: Conflict, draw again."""
        ...

    async def find(
        self,
        user_code_mac: bytes,
        *,
        browser: bytes | None,
        limits: Sequence[AttemptLimit],
        now: datetime,
    ) -> DeviceAuthorization | Gone | Blocked:
        """What a typed code stands for, while it is pending and nobody but `browser` has claimed it.

        One of `limits` is used up: Blocked, whether the code is right or not. Otherwise only a wrong one counts.
        """
        ...

    async def read(self, key: HandleKey) -> DeviceAuthorization | DeviceAndGrant | None:
        """One read; with its grant once it is approved."""
        ...

    async def claim(self, key: HandleKey, *, browser: bytes, now: datetime) -> Done | Gone:
        """Somebody says in this browser that they started it: from now on only this browser can answer."""
        ...

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
        """Pending, in time, claimed by this browser, and `grant.epochs` today's: inserts the grant."""
        ...

    async def deny(
        self,
        key: HandleKey,
        *,
        browser: bytes,
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Gone:
        """Pending, in time, and claimed by nobody or by this browser."""
        ...

    async def poll(
        self, key: HandleKey, *, attempt: Attempt, now: datetime
    ) -> Waiting | TooSoon | Expired | Answered | Gone:
        """The device asks and there is no answer yet.

        In time: the next poll may come after the interval, Waiting. Too soon: the interval grows by five
        seconds for good. The time is over: the first poll is told, Expired; later ones find it Gone.
        """
        ...

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
        """Approved, in time, never redeemed, its grant not revoked and the epochs unmoved: once, by one attempt.

        Unlike a code it may come again without harm: it never passed through a browser, and devices ask twice.
        """
        ...
