"""The load generator: its own process, keep-alive sockets, requests built beforehand.

`python -m bench.load` reads one JSON job on the first line of stdin, connects, prints `ready`, waits for a
line, sends every request of the job and prints one JSON result. The caller reads the server's CPU clock
between `ready` and the result, so connecting and reading the job lie outside the measured window.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import TypedDict, cast

import uvloop

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r\n]+)", re.IGNORECASE)
_IDLE_LIMIT_S = 60.0


Follow = Callable[[bytes, bytes], bytes]


def _pattern(name: str) -> re.Pattern[bytes] | None:
    if name == "location":
        return _LOCATION
    return re.compile(rb'"%s": *"([^"]+)"' % name.encode()) if name else None


def _followed(name: str) -> Follow | None:
    """The same request, presenting what the answer gave; both texts are of one length, so its length stays true."""
    given, sent = _pattern(name), re.compile(rb"%s=([^&]+)$" % name.encode())
    if given is None:
        return None

    def next_request(request: bytes, answer: bytes) -> bytes:
        old, new = sent.search(request), given.search(answer)
        if old is None or new is None or len(old[1]) != len(new[1]):
            return request
        return request[: old.start(1)] + new[1]

    return next_request


class Job(TypedDict):
    """What to send: every request in `requests`, `times` times over, on `connections` sockets."""

    host: str
    port: int
    connections: int
    status: int
    requests: list[str]
    times: int
    keep: str
    """What to hand back of each answer: "location", or a member of its JSON. Empty: nothing."""
    follow: str
    """A member of each answer that the connection's next request presents. Then each connection has one request."""


class Result(TypedDict):
    """What came back. `failure` shows the first answer that had another status, or is empty."""

    completed: int
    failed: int
    failure: str
    seconds: float
    p50_ms: float
    p99_ms: float
    kept: list[str]


class Run:
    """One run of a job: hands out requests, collects latencies, knows when it is over."""

    def __init__(self, job: Job) -> None:
        encoded = [request.encode() for request in job["requests"]]
        self.pending: Iterator[bytes] = chain.from_iterable(repeat(encoded, job["times"]))
        self.expected = len(encoded) * job["times"]
        self.status = str(job["status"]).encode()
        self.kept_pattern = _pattern(job["keep"])
        self.followed = _followed(job["follow"])
        self.times = job["times"]
        self.latencies_ns: list[int] = []
        self.kept: list[str] = []
        self.failed = 0
        self.failure = ""
        self.over = asyncio.get_running_loop().create_future()

    def record(self, answer: bytes, latency_ns: int) -> None:
        self.latencies_ns.append(latency_ns)
        if answer[9:12] != self.status:
            self.failed += 1
            self.failure = self.failure or answer[:2000].decode(errors="replace")
        elif self.kept_pattern and (found := self.kept_pattern.search(answer)):
            self.kept.append(found[1].decode())
        if len(self.latencies_ns) == self.expected and not self.over.done():
            self.over.set_result(None)

    def broke(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_exception(ConnectionError(reason))


class Connection(asyncio.Protocol):
    """One keep-alive socket: the next request leaves when the answer to the last one is complete."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.received = b""
        self.sent_at_ns = 0
        self.own, self.left = b"", 0
        if run.followed is not None:
            self.own, self.left = next(run.pending), run.times
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's, whose interface they have.
        self.transport = cast(asyncio.Transport, transport)

    def send_next(self) -> None:
        if self.run.followed is None:
            request = next(self.run.pending, None)
        else:
            request = self.own if self.left > 0 else None
            self.left -= 1
        if request is not None:
            self.sent_at_ns = time.perf_counter_ns()
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self.received + data if self.received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            self.received = received
            return
        length = _CONTENT_LENGTH.search(received, 0, head_end + 2)
        if length is None:
            self.run.broke(f"answer without Content-Length: {received[:500]!r}")
            return
        if len(received) < head_end + 4 + int(length[1]):
            self.received = received
            return
        self.received = b""
        self.run.record(received, time.perf_counter_ns() - self.sent_at_ns)
        if self.run.followed is not None:
            self.own = self.run.followed(self.own, received)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.broke(f"the server closed a connection: {exc!r}")


def percentile_ms(sorted_ns: list[int], share: float) -> float:
    """The latency in milliseconds that `share` of all requests did not exceed."""
    return sorted_ns[min(len(sorted_ns) - 1, int(len(sorted_ns) * share))] / 1e6


async def watch(run: Run) -> None:
    """Ends a run in which nothing was answered for a while."""
    seen = -1
    while seen != len(run.latencies_ns):
        seen = len(run.latencies_ns)
        await asyncio.sleep(_IDLE_LIMIT_S)
    run.broke(f"no answer for {_IDLE_LIMIT_S:.0f} s after {seen} of {run.expected} requests")


async def execute(job: Job) -> Result:
    loop = asyncio.get_running_loop()
    run = Run(job)
    connections = []
    for _ in range(min(job["connections"], run.expected)):
        _, connection = await loop.create_connection(lambda: Connection(run), job["host"], job["port"])
        connections.append(connection)
    answer("ready")
    sys.stdin.readline()
    watcher = loop.create_task(watch(run))
    begun_at = time.perf_counter()
    for connection in connections:
        connection.send_next()
    await run.over
    seconds = time.perf_counter() - begun_at
    watcher.cancel()
    ordered = sorted(run.latencies_ns)
    return Result(
        completed=len(ordered) - run.failed,
        failed=run.failed,
        failure=run.failure,
        seconds=seconds,
        p50_ms=percentile_ms(ordered, 0.50),
        p99_ms=percentile_ms(ordered, 0.99),
        kept=run.kept,
    )


def answer(line: str) -> None:
    """Whole: under PYTHONUNBUFFERED `sys.stdout` drops what a full pipe does not take at once."""
    with open(sys.stdout.fileno(), "w", closefd=False) as output:
        output.write(line + "\n")


def main() -> None:
    job: Job = json.loads(sys.stdin.readline())
    answer(json.dumps(uvloop.run(execute(job))))


if __name__ == "__main__":
    main()
