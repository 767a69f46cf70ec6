"""Clocks that never go back: the machine's, or the database's as this node has measured it.

What has expired stays so. Whoever has been ahead waits for the others: while the clock that is followed lies behind,
time passes at half speed, until it has caught up. A clock that stayed ahead for good would sign tokens from the
future, which APIs refuse, until the next restart and beyond it.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from innkeeper.server.storage.outcomes import StoreUnavailable

SLEWED: Final = 0.5
"""Seconds that pass in one second while ahead."""
BELIEVED_FOR_S: Final = 30.0
"""Three measurements may fail before a node is not ready any more."""
WORST_ROUND_TRIP_S: Final = 1.0
TOLERANCE: Final = timedelta(days=1)
WRITTEN: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""Nobody ran this before: a machine without a battery believes at its start that it is 1970."""
_TRIES: Final = 3


class NeverBack:
    """Makes a time that never goes back of one that may."""

    def __init__(self, floor: datetime | None = None) -> None:
        self._last_s = 0.0 if floor is None else floor.timestamp()
        self._asked_at_s = time.monotonic()
        self._lock = Lock()  # the writer's thread asks too

    def at(self, followed_s: float) -> datetime:
        """The time, where the clock that is followed says `followed_s`."""
        with self._lock:
            asked_at_s = time.monotonic()
            least_s = self._last_s + max(asked_at_s - self._asked_at_s, 0.0) * SLEWED
            self._last_s, self._asked_at_s = max(followed_s, least_s), asked_at_s
            return datetime.fromtimestamp(self._last_s, UTC)


class SystemClock:
    """The machine's clock, where the database has none of its own. A step forward is followed at once."""

    def __init__(self, floor: datetime | None = None) -> None:
        """`floor`: the last commit. A machine whose clock was set back while it was off goes on from there."""
        self._never_back = NeverBack(floor)

    def now(self) -> datetime:
        """An aware UTC instant."""
        return self._never_back.at(time.time())

    def check(self) -> None:
        """The machine's clock always answers."""


class DatabaseClock:
    """The database's clock: measured, and kept by the machine's monotonic one in between.

    However wrong the clocks of the nodes are, they agree on the time to within a round trip. `measure` before `now`.
    """

    def __init__(self, ask: Callable[[], Awaitable[datetime]], floor: datetime | None = None) -> None:
        """`ask` reads the database's clock; `floor` is the last commit."""
        self._ask = ask
        self._never_back = NeverBack(floor)
        self._offset_s: float | None = None
        self._measured_at_s = 0.0

    def now(self) -> datetime:
        """An aware UTC instant."""
        if self._offset_s is None:
            raise StoreUnavailable("the database's clock has not been read yet")
        return self._never_back.at(time.monotonic() + self._offset_s)

    def check(self) -> None:
        """Raises StoreUnavailable when the last measurement is too old to be believed: the node is not ready."""
        if self._offset_s is None or time.monotonic() - self._measured_at_s > BELIEVED_FOR_S:
            raise StoreUnavailable("the database's clock cannot be read")

    async def measure(self) -> None:
        """Corrects the clock. Raises StoreUnavailable when the database does not answer, or too slowly."""
        for _ in range(_TRIES):
            asked_at_s = time.monotonic()
            answer = await self._ask()
            answered_at_s = time.monotonic()
            if answered_at_s - asked_at_s <= WORST_ROUND_TRIP_S:
                return self._take(answer.timestamp(), asked_at_s, answered_at_s)
        raise StoreUnavailable("the database's clock is read too slowly to be told")

    def _take(self, said_s: float, asked_at_s: float, answered_at_s: float) -> None:
        """The answer was true somewhere between question and answer; an offset that agrees with that stays."""
        least_s, most_s = said_s - answered_at_s, said_s - asked_at_s
        known_s = (least_s + most_s) / 2 if self._offset_s is None else self._offset_s
        self._offset_s = min(max(known_s, least_s), most_s)
        self._measured_at_s = answered_at_s


def machine_time() -> datetime:
    """What the machine says, whatever it said before."""
    return datetime.fromtimestamp(time.time(), UTC)


def is_believable(now: datetime, last_commit: datetime | None) -> bool:
    """False: the clock is so far behind the last commit, or this program's own age, that something must be wrong."""
    return now >= WRITTEN and (last_commit is None or last_commit - now <= TOLERANCE)
