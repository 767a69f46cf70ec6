"""Very many clients at once, each as cheap as can be: a bound number of connections, requests at a given rate."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_TICK_S: Final = 0.005


@dataclass
class Seen:
    """What came of one flood."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    good_after_s: list[float] = field(default_factory=list)
    server_cpu_s: float = 0.0
    unsent: int = 0
    """Requests for which no connection was free: every one of them waited for an answer."""
    broken: int = 0
    """Connections that ended with a request unanswered."""

    @property
    def goodput(self) -> float:
        """Good answers per second."""
        return self.statuses[200] / self.seconds

    def latency_s(self, share: float) -> float:
        """Of good answers."""
        ordered = sorted(self.good_after_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Client(asyncio.Protocol):
    """One connection; `flood` says what becomes of answers."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._data = b""
        self.since = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> None:
        self.since = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        if length is not None and len(body) >= int(length[1]):
            self._data = b""
            self._flood.answered(self, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._flood.lost(self)


class Flood:
    """`clients` connections to one port."""

    def __init__(self, port: int, request: bytes, clients: int) -> None:
        self._port = port
        self._request = request
        self._count = clients
        self._idle: deque[Client] = deque()
        self._waiting: set[Client] = set()
        self._asks_again = False
        self._seen = Seen(1.0)

    async def closed_loop(self, clients: int, seconds: float) -> Seen:
        """So many clients, of which each asks again as soon as it is answered: what the server can do."""
        await self._connect(clients)
        self._asks_again, self._seen = True, Seen(seconds)
        for _ in range(clients):
            self._ask()
        await asyncio.sleep(seconds)
        seen, self._asks_again, self._seen = self._seen, False, Seen(1.0)
        await self._settle()
        return seen

    async def open_loop(self, rate: float, seconds: float) -> Seen:
        """`rate` requests per second, whatever becomes of them."""
        await self._connect(self._count)
        self._seen = Seen(seconds)
        began, sent = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            due = int(rate * passed)
            for _ in range(due - sent):
                self._ask()
            sent = due
            await asyncio.sleep(_TICK_S)
        seen, self._seen = self._seen, Seen(1.0)
        await self._settle()
        return seen

    def close(self) -> None:
        for client in (*self._idle, *self._waiting):
            client.transport.abort()

    def answered(self, client: Client, status: int) -> None:
        self._waiting.discard(client)
        self._idle.append(client)
        self._seen.statuses[status] += 1
        if status == 200:
            self._seen.good_after_s.append(time.perf_counter() - client.since)
        if self._asks_again:
            self._ask()

    def lost(self, client: Client) -> None:
        if client in self._waiting:
            self._waiting.discard(client)
            self._seen.broken += 1
        elif client in self._idle:
            self._idle.remove(client)

    def _ask(self) -> None:
        if not self._idle:
            self._seen.unsent += 1
            return
        client = self._idle.popleft()
        self._waiting.add(client)
        client.ask(self._request)

    async def _connect(self, clients: int) -> None:
        loop = asyncio.get_running_loop()
        while len(self._idle) < clients:
            _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", self._port)
            self._idle.append(client)

    async def _settle(self) -> None:
        async with asyncio.timeout(30):
            while self._waiting:
                await asyncio.sleep(0.01)
