"""`serve --workers N`: a parent that holds the sockets and the signals, and N workers that answer (F03).

The parent forks; it loads no settings of its own, opens no database and answers nothing, so there is little in it
that could end. A worker that has gone is started anew at once; one that cannot start at all ends the whole.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NamedTuple

from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.observe import diagnostics

CAN_FORK: Final = sys.platform != "win32"
# Whoever lives shorter than this is not started again at once a second time: a loop would eat the machine.
SHORT_LIFE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 5.0
_LOOK_S: Final = 1.0
_LOOK_SOON_S: Final = 0.05


class Worker(NamedTuple):
    """What connects a worker with its parent: file descriptors of two pipes."""

    lifeline: int
    """Its end is the parent's end, or its wish that this worker ends."""
    ready: int
    """Takes one byte once the worker answers."""

    def tell_ready(self) -> None:
        os.write(self.ready, b"+")


def refuse_if_impossible(workers: int, *, is_sqlite: bool) -> None:
    """Raises CommandFailed with the reason."""
    if workers > 1 and is_sqlite:
        raise CommandFailed(
            "--workers: a SQLite file is served by one process, which commits for all. For more set"
            " `database.url` to a PostgreSQL database; `innkeeper migrate-db` moves what is there."
        )
    if workers > 1 and not CAN_FORK:
        raise CommandFailed("--workers: not on Windows. Start one `innkeeper serve` per port behind a proxy.")


def supervise(
    count: int,
    sockets: list[socket.socket],
    *,
    drain_s: float,
    shutdown_s: float,
    on_ready: Callable[[], None],
) -> Worker:
    """Answers in each worker. The parent stays inside until all have gone, and then raises SystemExit."""
    parent = _Parent(count, sockets, drain_s, shutdown_s, on_ready)
    gc.freeze()  # what the parent has loaded stays one copy for all
    with parent.signals():
        worker = parent.run()
    if worker is None:
        raise SystemExit(parent.status)
    return worker


class _Parent:
    def __init__(
        self,
        count: int,
        sockets: list[socket.socket],
        drain_s: float,
        shutdown_s: float,
        on_ready: Callable[[], None],
    ) -> None:
        self.status = 0
        self._count = count
        self._sockets = sockets
        self._drain_s = drain_s
        self._shutdown_s = shutdown_s
        self._on_ready = on_ready
        self._lifeline = os.pipe()
        self._ready = os.pipe()
        self._wakeup = os.pipe()
        for descriptor in (self._ready[0], *self._wakeup):
            os.set_blocking(descriptor, False)
        self._running: dict[int, float] = {}
        self._have_answered = 0
        self._short_lives = 0
        self._may_start_at = 0.0
        self._signals_heard = 0
        self._ends_at: float | None = None

    @contextmanager
    def signals(self) -> Generator[None, None, None]:
        """Ours in the parent; as they were in the workers."""
        numbers = {signal.SIGTERM: self._hear, signal.SIGINT: self._hear, signal.SIGCHLD: _do_nothing}
        before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
        woken = signal.set_wakeup_fd(self._wakeup[1])
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self) -> Worker | None:
        """None in the parent, when all have gone."""
        while self._running or self._ends_at is None:
            if self._wants_one_more() and self._is_worker_now():
                return Worker(lifeline=self._lifeline[0], ready=self._ready[1])
            self._wait()
            self._count_the_ready()
            self._bury()
            self._end_when_told()
        return None

    # ------------------------------------------------------------ starting

    def _wants_one_more(self) -> bool:
        """The first alone: what it cannot do, the others could not either, and it brings the schema up to date."""
        wanted = self._count if self._have_answered else 1
        return (
            self._ends_at is None and len(self._running) < wanted and time.monotonic() >= self._may_start_at
        )

    def _is_worker_now(self) -> bool:
        process = os.fork()
        if process:
            self._running[process] = time.monotonic()
            return False
        # Only the parent may hold these, or its end would not be seen.
        for descriptor in (self._lifeline[1], self._ready[0], *self._wakeup):
            os.close(descriptor)
        return True

    def _count_the_ready(self) -> None:
        try:
            arrived = len(os.read(self._ready[0], 4096))
        except BlockingIOError:
            return
        were_all = self._have_answered >= self._count
        self._have_answered += arrived
        if not were_all and self._have_answered >= self._count:
            self._on_ready()

    # ------------------------------------------------------------ ending

    def _wait(self) -> None:
        is_busy = self._ends_at is not None or len(self._running) < self._count
        select.select([self._ready[0], self._wakeup[0]], [], [], _LOOK_SOON_S if is_busy else _LOOK_S)
        try:
            os.read(self._wakeup[0], 4096)
        except BlockingIOError:
            return

    def _bury(self) -> None:
        for process, since in list(self._running.items()):
            gone, status = os.waitpid(process, os.WNOHANG)
            if gone:
                del self._running[process]
                self._mourn(process, os.waitstatus_to_exitcode(status), time.monotonic() - since)

    def _mourn(self, process: int, code: int, lived_s: float) -> None:
        if self._ends_at is not None:
            return
        if not self._have_answered:  # it has said why
            self.status = code if code > 0 else 1
            self._end()
            return
        self._short_lives = self._short_lives + 1 if lived_s < SHORT_LIFE_S else 0
        pause_s = (
            0.0 if self._short_lives < 2 else min(LONGEST_PAUSE_S, 0.1 * 2 ** min(self._short_lives, 10))
        )
        self._may_start_at = time.monotonic() + pause_s
        ended = f"by signal {-code}" if code < 0 else f"with status {code}"
        diagnostics.write(__name__, logging.ERROR, f"worker {process} ended {ended}; another one is started")

    def _end_when_told(self) -> None:
        if self._signals_heard and self._ends_at is None:
            self._end()
        elif self._signals_heard > 1:
            self._signals_heard = 1
            self._signal_all(signal.SIGTERM)
        if self._ends_at is None:
            return
        if time.monotonic() >= self._ends_at - self._shutdown_s:
            self._close_sockets()
        if time.monotonic() >= self._ends_at + 2.0:
            self.status = 1
            self._signal_all(signal.SIGKILL)

    def _end(self) -> None:
        self._ends_at = time.monotonic() + self._drain_s + self._shutdown_s
        os.close(self._lifeline[1])

    def _close_sockets(self) -> None:
        """When the workers close theirs: who came later would wait for nobody."""
        for listening in self._sockets:
            listening.close()

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._running:
            os.kill(process, number)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._signals_heard += 1


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A signal without a handler of ours would not wake us."""
