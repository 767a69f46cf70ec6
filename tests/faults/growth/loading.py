"""Load on a served crowd: each request rotates another family, and the server's own CPU time is read around it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from bench.contender import HOST, token_request
from bench.load import Job
from bench.process import cpu_seconds, resident_mb, server_core
from bench.window import Window, measure
from innkeeper.server.flows.seals import Seals
from tests.faults.growth.crowd import FIRST_GENERATION, Crowd, coprime
from tests.nodes import Node, Site

CLIENT: Final = "web"
CONNECTIONS: Final = 16
# Numbers that are met one after the other lie far apart.
_STRIDE: Final = 6_180_339


class Refreshing:
    """A node and the crowd behind it. Every family is presented in its turn; the next round is one generation on.

    `database_pid` is the server that works for the node, whose CPU time counts as well.
    """

    def __init__(
        self, site: Site, node: Node, crowd: Crowd, seals: Seals, database_pid: int | None = None
    ) -> None:
        self.site = site
        self.node = node
        self.crowd = crowd
        self._seals = seals
        self._database_pid = database_pid
        self._turns = self._all_turns()

    def window(self, requests: int, *, connections: int = CONNECTIONS) -> Window:
        """One window of rotations. Raises when one of them fails."""
        assert self.node.process is not None
        job = Job(
            host=HOST,
            port=self.node.port,
            connections=connections,
            status=200,
            requests=[self._request(*next(self._turns)) for _ in range(requests)],
            times=1,
            keep="",
            follow="",
        )
        before = self._database_seconds()
        window = measure(job, self.node.process.pid)
        database_us = (self._database_seconds() - before) * 1e6
        return replace(window, cpu_us=window.cpu_us + database_us / window.requests)

    def _database_seconds(self) -> float:
        return 0.0 if self._database_pid is None else cpu_seconds(self._database_pid)

    @property
    def resident_mb(self) -> float:
        assert self.node.process is not None
        return resident_mb(self.node.process.pid)

    def pin(self) -> None:
        """To the servers' core, as the bench does: the load then costs the server nothing."""
        assert self.node.process is not None
        core = server_core()
        if core is not None:
            for thread in Path(f"/proc/{self.node.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})

    def _all_turns(self) -> Iterator[tuple[int, int]]:
        first = self.crowd.ended
        living = self.crowd.families - first
        turn, stride = 0, coprime(_STRIDE, living)
        while True:
            generation, number = divmod(turn, living)
            yield first + number * stride % living, FIRST_GENERATION + generation
            turn += 1

    def _request(self, number: int, generation: int) -> str:
        token = self.crowd.token(number, generation, self._seals)
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return token_request("/oauth/token", self.site.port, CLIENT, self.site.secrets[CLIENT], form)


def by_turns(sides: Sequence[Refreshing], *, rounds: int, requests: int) -> list[list[Window]]:
    """A, B, A, B: whatever else the machine does meets both."""
    windows: list[list[Window]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, seen in zip(sides, windows, strict=True):
            seen.append(side.window(requests))
    return windows


def cpu_us(windows: Sequence[Window]) -> float:
    """The median of what a rotation cost the server."""
    return median(window.cpu_us for window in windows)


def p99_ms(windows: Sequence[Window]) -> float:
    """The median of what one in a hundred waited longer than."""
    return median(window.p99_ms for window in windows)
