"""A load balancer for tests: round robin over the nodes that say they are ready, no stickiness, no second try.

It asks every node for `/readyz` all the time and sends people only where the last answer was 200. A request goes to
another node only when the first could not even be connected to: whatever has been sent once may have had its effect.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.serving import free_socket, port_of

ASK_EVERY_S: Final = 0.2
PATIENCE_S: Final = 20.0
# So many questions in a row without any answer: a node that is slow for once is not one that has gone.
FALLS_AFTER: Final = 3
# Shorter than any server's own limit, so that a connection is not reused while the server hangs up.
IDLE_S: Final = 2.0
_HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"x-forwarded-for"})
_MAX_HEAD_BYTES: Final = 64 * 1024
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Message:
    """A request or an answer, read to its end."""

    first_line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def value(self, name: bytes) -> bytes | None:
        return next((value for known, value in self.headers if known == name), None)

    def encoded(self, *more: tuple[bytes, bytes]) -> bytes:
        kept = [pair for pair in self.headers if pair[0] not in _HOP_BY_HOP]
        lines = [self.first_line, *(b"%b: %b" % pair for pair in (*kept, *more))]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass
class Backend:
    """A node, its idle connections, and whether it has lately said that it is ready."""

    port: int
    is_ready: bool = False
    silent: int = 0
    """So many times in a row it has not said whether it is ready."""
    idle: deque[tuple[Stream, float]] = field(default_factory=deque)

    def reusable(self) -> Stream | None:
        """A connection that the node has not closed."""
        while self.idle:
            (reader, writer), since = self.idle.pop()
            if time.monotonic() - since < IDLE_S and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None


class Proxy:
    """Made by `a_proxy`. `answers` counts (port of the node, status); port 0 is the proxy's own answer."""

    def __init__(self, listening: socket.socket, ports: Sequence[int]) -> None:
        self.port = port_of(listening)
        self.origin = f"http://localhost:{self.port}"
        self.answers: Counter[tuple[int, int]] = Counter()
        self.asked: Counter[tuple[int, int]] = Counter()
        """(port, status) of the answers to `/readyz`; status 0 is none."""
        self.failures: list[str] = []
        """Why the proxy had to answer by itself."""
        self._listening = listening
        self._backends = [Backend(port) for port in ports]
        self._turn = 0
        self._clients: set[asyncio.Task[Any]] = set()

    @property
    def ready(self) -> set[int]:
        """The ports of the nodes that get requests now."""
        return {backend.port for backend in self._backends if backend.is_ready}

    def wait_until_ready(self, count: int | None = None, patience_s: float = 30.0) -> None:
        """Fails when so many nodes (all, if not said) do not get ready in time."""
        wanted = len(self._backends) if count is None else count
        deadline = time.monotonic() + patience_s
        while len(self.ready) < wanted:
            assert time.monotonic() < deadline, f"ready: {self.ready}, asked: {self.asked}"
            time.sleep(0.02)

    async def run(self, is_over: asyncio.Event) -> None:
        """Until `is_over`."""
        server = await asyncio.start_server(self._client, sock=self._listening, limit=_MAX_HEAD_BYTES)
        asking = [asyncio.create_task(self._ask(backend)) for backend in self._backends]
        await is_over.wait()
        server.close()
        for task in (*asking, *self._clients):
            task.cancel()
        await asyncio.gather(*asking, *self._clients, return_exceptions=True)
        for backend in self._backends:
            for (_, writer), _ in backend.idle:
                writer.close()

    # ------------------------------------------------------------ readiness

    async def _ask(self, backend: Backend) -> None:
        while True:
            status = await self._readiness(backend)
            self.asked[backend.port, status] += 1
            backend.silent = 0 if status else backend.silent + 1
            if status or backend.silent >= FALLS_AFTER:
                backend.is_ready = status == 200
            await asyncio.sleep(ASK_EVERY_S)

    async def _readiness(self, backend: Backend) -> int:
        """0 for no answer."""
        question = Message(b"GET /readyz HTTP/1.1", [(b"host", b"localhost")])
        try:
            async with asyncio.timeout(2 * ASK_EVERY_S + 1):
                stream = await _connected(backend)
                try:
                    return status_of(await _exchange(stream, question.encoded((b"connection", b"close"))))
                finally:
                    stream[1].close()
        except (OSError, TimeoutError, EOFError):
            return 0

    # ------------------------------------------------------------ requests

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            with suppress(OSError, EOFError):
                await self._converse(reader, writer)
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0].encode()
        while (request := await _read(reader)) is not None:
            port, answer = await self._forwarded(request, address)
            self.answers[port, status_of(answer)] += 1
            writer.write(answer.encoded())
            await writer.drain()
            if request.value(b"connection") == b"close":
                return

    async def _forwarded(self, request: Message, address: bytes) -> tuple[int, Message]:
        data = request.encoded((b"x-forwarded-for", address))
        for backend in self._in_turn():
            stream = backend.reusable()
            if stream is None:
                try:
                    stream = await _connected(backend)
                except OSError:
                    backend.is_ready = False
                    continue
            return await self._answered(backend, stream, data, request)
        return self._own(503, f"{request.first_line!r}: nobody is ready; asked: {dict(self.asked)}")

    async def _answered(
        self, backend: Backend, stream: Stream, data: bytes, request: Message
    ) -> tuple[int, Message]:
        is_head = request.first_line.startswith(b"HEAD ")
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await _exchange(stream, data, is_head=is_head)
        except TimeoutError:
            stream[1].close()
            return self._own(504, f"{request.first_line!r}: no answer from {backend.port}")
        except (OSError, EOFError) as error:
            stream[1].close()
            return self._own(502, f"{request.first_line!r}: {backend.port} broke off: {error!r}")
        if answer.value(b"connection") == b"close":
            stream[1].close()
        else:
            backend.idle.append((stream, time.monotonic()))
        return backend.port, answer

    def _own(self, status: int, reason: str) -> tuple[int, Message]:
        """502: the node broke off, so what became of the request is not known; 503: nobody is ready."""
        self.failures.append(f"{status} {reason}")
        headers = [(b"content-length", b"0"), (b"retry-after", b"1")]
        return 0, Message(b"HTTP/1.1 %d of the proxy" % status, headers)

    def _in_turn(self) -> list[Backend]:
        self._turn += 1
        ready = [backend for backend in self._backends if backend.is_ready]
        cut = self._turn % len(ready) if ready else 0
        return ready[cut:] + ready[:cut]


async def _connected(backend: Backend) -> Stream:
    return await asyncio.open_connection("127.0.0.1", backend.port, limit=_MAX_HEAD_BYTES)


async def _exchange(stream: Stream, data: bytes, *, is_head: bool = False) -> Message:
    reader, writer = stream
    writer.write(data)
    await writer.drain()
    answer = await _read(reader, has_body=not is_head)
    if answer is None:
        raise EOFError("the node hung up")
    return answer


async def _read(reader: asyncio.StreamReader, *, has_body: bool = True) -> Message | None:
    """None when the other side has nothing more to say."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first_line, *lines = head[:-4].split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    message = Message(first_line, [(name.strip().lower(), value.strip()) for name, _, value in pairs])
    length = int(message.value(b"content-length") or 0)
    if has_body and length:
        message.body = await reader.readexactly(length)
    return message


def status_of(answer: Message) -> int:
    return int(answer.first_line.split(b" ", 2)[1])


@contextmanager
def a_proxy(ports: Sequence[int], listening: socket.socket | None = None) -> Generator[Proxy]:
    """In a thread of its own. Give `listening` where its port has to be known before the nodes are started."""
    proxy = Proxy(listening or free_socket(), ports)
    started = threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        is_over = asyncio.Event()
        loops.append((asyncio.get_running_loop(), is_over))
        started.set()
        await proxy.run(is_over)

    main: Coroutine[Any, Any, None] = run()
    thread = threading.Thread(target=asyncio.run, args=(main,), name="proxy")
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        loop, is_over = loops[0]
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
