"""A piece of network between a server and its database that can be slow, silent, cut or not there at all."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from tests.nodes import a_steady_port

_CHUNK: Final = 64 * 1024


class TcpProxy:
    """Made by `a_tcp_proxy`. It has a thread of its own, so that a test that waits does not hold it up."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.port = a_steady_port()
        self.delay_s = 0.0
        """Before each piece on its way to the target."""
        self.lost_answers = 0.0
        """How probably a piece from the target never arrives, and the connection is reset in its place."""
        self.lost = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy")
        self._thread.start()
        self.listen()

    def listen(self) -> None:
        """Takes connections, from now on or again."""
        self._do(self._listen)

    def refuse(self) -> None:
        """Nobody listens any more, and those who are connected are cut off."""
        self._do(self._stop_listening)
        self.cut()

    def swallow(self) -> None:
        """A black hole: connections are taken and stay open, and nothing arrives on any of them."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def flow(self) -> None:
        """What was swallowed arrives now, as TCP would send it again."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def cut(self) -> None:
        """Every connection is reset, wherever its data is at this moment."""
        self._do(self._cut)

    def close(self) -> None:
        """At the end."""
        self._do(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _cut(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _close(self) -> None:
        await self._stop_listening()
        await self._cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            # The end of a connection is not an error here, and nobody waits for this task but `close`.
            return
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        behind, ahead = await asyncio.open_connection(*self._target)
        self._open.add(ahead)
        there = asyncio.create_task(self._pump(reader, ahead, is_answer=False))
        back = asyncio.create_task(self._pump(behind, writer, is_answer=True))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            self._open.discard(ahead)
            ahead.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with suppress(OSError):
            while piece := await source.read(_CHUNK):
                if not is_answer and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if is_answer and random.random() < self.lost_answers:
                    self.lost += 1
                    break
                await self._flows.wait()
                sink.write(piece)
                await sink.drain()


@contextmanager
def a_tcp_proxy(dsn: str) -> Iterator[tuple[TcpProxy, str]]:
    """In front of the database that `dsn` names; answers the proxy and the DSN that leads through it."""
    parts = urlsplit(dsn)
    proxy = TcpProxy((parts.hostname or "127.0.0.1", parts.port or 5432))
    user = f"{parts.username}@" if parts.username else ""
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
    finally:
        proxy.close()
