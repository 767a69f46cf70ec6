"""uvicorn around our application: our sockets, our log, no header that gives us away, graceful ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn

from innkeeper.server import app
from innkeeper.server.config import Listen, Settings
from innkeeper.server.flows.services import Services
from innkeeper.server.hooks import Hooks
from innkeeper.server.jobs.refresh_registry import refresh_registry
from innkeeper.server.model.master_secret import MasterSecret
from innkeeper.server.observe import diagnostics
from innkeeper.server.observe.log import EventLog
from innkeeper.server.web.connection import BoundedConnection

KEEP_ALIVE_S: Final = 5
SHUTDOWN_S: Final = 10
# Python's 700 new objects are no more than a dozen requests under way hold alive: the collector would walk
# through them every few milliseconds although hardly any can go yet.
GC_THRESHOLDS: Final = (10_000, 20, 20)


class Server(uvicorn.Server):
    """Calls `on_started` once the sockets listen, and ends like any program when it is asked to."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._on_started()

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
) -> None:
    """Until SIGTERM or Ctrl-C; requests under way get ten seconds.

    `prepare` runs before the first request; what it answers is called once the sockets listen.
    """
    log = EventLog()
    diagnostics.route(log)
    try:
        store = await app.open_store(database, settings.database, role="serving")
        try:
            services = await app.open_services(settings, store, master, events=log, hooks=hooks)
            started = await prepare(services)
            await refresh_registry(services)  # with what `prepare` has made
            config = _config(app.create_app(services), settings.listen)
            await Server(config, started).serve(sockets)
        finally:
            await store.close()
    finally:
        log.close()


def _config(application: Any, listen: Listen) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="none",
        http=BoundedConnection,
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
