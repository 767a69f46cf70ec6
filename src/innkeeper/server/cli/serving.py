"""uvicorn around our application: our sockets, our log, no header that gives us away, graceful ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn

from innkeeper.server import app
from innkeeper.server.config import Listen, Settings
from innkeeper.server.flows.readiness import DRAINING, Readiness
from innkeeper.server.flows.services import Services
from innkeeper.server.hooks import Hooks
from innkeeper.server.jobs.refresh_registry import refresh_registry
from innkeeper.server.model.master_secret import MasterSecret
from innkeeper.server.observe import diagnostics
from innkeeper.server.observe.log import EventLog
from innkeeper.server.web.connection import bounded
from innkeeper.server.web.request_head import CLOSE

KEEP_ALIVE_S: Final = 5
# From the end of the announcement; with the two seconds of `listen.drain_s` a node has gone after ten.
SHUTDOWN_S: Final = 8
# Python's 700 new objects are no more than a dozen requests under way hold alive: the collector would walk
# through them every few milliseconds although hardly any can go yet.
GC_THRESHOLDS: Final = (10_000, 20, 20)


class Server(uvicorn.Server):
    """Calls `on_started` once the sockets listen, and announces its end before it stops listening (F24)."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        readiness: Readiness,
        *,
        drain_s: float,
        lifeline: int | None = None,
    ) -> None:
        """`lifeline` is a pipe's end: when the other end is closed, whoever started us wants us to end, or is gone."""
        super().__init__(config)
        self._lifeline = lifeline
        self._on_started = on_started
        self._readiness = readiness
        self._drain_s = drain_s
        self._closes_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._lifeline is not None:
            asyncio.get_running_loop().add_reader(self._lifeline, self._let_go)
        if self.started and not self.should_exit:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM announces the end first; Ctrl-C, and whatever comes second, does not wait."""
        if sig == signal.SIGTERM and self._closes_at is None and self._drain_s > 0:
            self._announce()
        else:
            super().handle_exit(sig, frame)

    def _announce(self) -> None:
        self._closes_at = time.monotonic() + self._drain_s
        self._readiness.refuse(DRAINING)
        # Answers end their connections, so that no request is on its way when the rest are closed.
        self.config.encoded_headers = [*self.config.encoded_headers, CLOSE]
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]

    def _let_go(self) -> None:
        """Beside a SIGTERM to all of us this is no second one."""
        assert self._lifeline is not None
        asyncio.get_running_loop().remove_reader(self._lifeline)
        if self._closes_at is None:
            self._announce()

    async def on_tick(self, counter: int) -> bool:
        """True when it is time to stop listening."""
        is_announced = self._closes_at is not None and time.monotonic() >= self._closes_at
        return await super().on_tick(counter) or is_announced

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but the signal is not raised again: the store must still be closed."""
        stopping = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in stopping}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve(
    settings: Settings,
    database: Path,
    master: MasterSecret,
    sockets: list[socket.socket],
    prepare: Callable[[Services], Awaitable[Callable[[], None]]],
    hooks: Hooks | None = None,
    *,
    accept_clock: bool = False,
    lifeline: int | None = None,
) -> None:
    """Until SIGTERM or Ctrl-C; then requests under way are finished, within `SHUTDOWN_S`.

    `prepare` runs before the first request; what it answers is called once the sockets listen.
    """
    log = EventLog()
    diagnostics.route(log)
    try:
        store = await app.open_store(database, settings.database, role="serving")
        try:
            services = await app.open_services(
                settings, store, master, events=log, hooks=hooks, accept_clock=accept_clock
            )
            started = await prepare(services)
            await refresh_registry(services)  # with what `prepare` has made
            config = _config(app.create_app(services), settings.listen)
            drain_s = settings.listen.drain_s
            server = Server(config, started, services.readiness, drain_s=drain_s, lifeline=lifeline)
            await server.serve(sockets)
        finally:
            await store.close()
    finally:
        log.close()


def _config(application: Any, listen: Listen) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="none",
        http=bounded(listen.requests_under_way),
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # X-Forwarded-* is the business of `web`, which knows `trusted_proxies`
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=listen.certificate,
        ssl_keyfile=listen.private_key,
    )


def run(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one."""
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
