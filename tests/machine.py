"""A machine whose clock a test sets: stands in for `time`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A wall clock that anybody sets, and a monotonic one that nobody sets."""

    def __init__(self, wall: datetime = NOON) -> None:
        self.wall = wall
        self.passed_s = 500.0

    def time(self) -> float:
        return self.wall.timestamp()

    def monotonic(self) -> float:
        return self.passed_s

    def wait(self, seconds: float) -> None:
        self.passed_s += seconds
        self.wall += timedelta(seconds=seconds)
