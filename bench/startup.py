"""Start-up and memory: from executing the server to its first answer, and what it holds then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from bench.ports import get
from bench.process import BenchError, resident_mb


class Startable(Protocol):
    """What a start is measured on: a contender that can be started again and again."""

    name: str
    port: int

    def start(self) -> None:
        """Executes the server and returns as soon as it has answered once."""

    def stop(self) -> None: ...

    @property
    def pid(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Startup:
    """Median milliseconds to the first answer; the most memory seen after the first answers."""

    contender: str
    milliseconds: float
    all_milliseconds: list[float]
    resident_mb: float


def measure_startup(server: Startable, paths: list[str], starts: int) -> Startup:
    """Starts and stops the server `starts` times; each of `paths` is asked once before memory is read."""
    taken: list[float] = []
    resident: list[float] = []
    for _ in range(starts):
        begun_at = time.monotonic()
        try:
            server.start()
            taken.append((time.monotonic() - begun_at) * 1000)
            for path in paths:
                if get(server.port, path) != 200:
                    raise BenchError(f"{server.name} did not answer {path} with 200")
            resident.append(resident_mb(server.pid))
        finally:
            server.stop()
    return Startup(
        contender=server.name, milliseconds=median(taken), all_milliseconds=taken, resident_mb=max(resident)
    )
