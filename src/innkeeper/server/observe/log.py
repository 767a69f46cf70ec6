"""The log stream: every event is one line of JSON in ASCII, written by a thread of its own.

`emit` is on the road of every token request, so it only encodes and appends; the writer wakes up, gathers
for a moment and writes what there is in one call. A reader that has stopped reading fills a bounded buffer,
then lines are dropped and counted; no request ever waits for a log.
"""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from innkeeper.server.model.events import Event

MAX_WAITING_LINES: Final = 20_000
MAX_LINE_BYTES: Final = 4096
MAX_TEXT_CHARS: Final = 512
MAX_TRACE_CHARS: Final = 12_000
GATHER_S: Final = 0.02
_STDERR: Final = 2


class EventLog:
    """An `EventSink`. Safe to call from any thread; never blocks, never raises."""

    def __init__(self, write: Callable[[bytes], None] | None = None) -> None:
        self._write = write_to_stderr if write is None else write
        self._encode = msgspec.json.Encoder().encode
        self._waiting: deque[bytes] = deque()
        self._is_awake = False
        self._wake = threading.Semaphore(0)
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.dropped = 0

    def emit(self, event: Event) -> None:
        """`at` first, then the type, then what the event says; values that are not set are left out."""
        try:
            encoded = self._encode(event)
            end = encoded.index(b'"', 7) + 1  # {"at":"…"
            self.put(b'%b,"type":"%b"%b' % (encoded[:end], event.type.encode(), encoded[end:]))
        except Exception:
            self.dropped += 1

    def put(self, line: bytes) -> None:
        """One JSON object without its line feed."""
        if len(self._waiting) >= MAX_WAITING_LINES:
            self.dropped += 1
            return
        # At once, not when it is written: behind a stuck reader, 20 000 long ones would be gigabytes.
        self._waiting.append(line if len(line) <= MAX_LINE_BYTES else _made_safe(line))
        if not self._is_awake:
            self._is_awake = True
            self._start()
            self._wake.release()

    def flush(self) -> None:
        """Writes what is waiting, on the caller's thread: for commands and the end of the process."""
        with self._writing:
            self._is_awake = False  # before looking: a line that comes later wakes the writer again
            lines = [_made_safe(self._waiting.popleft()) for _ in range(len(self._waiting))]
            if self.dropped:
                lines.append(json.dumps({"type": "log.dropped", "lines": self.dropped}).encode())
                self.dropped = 0
            if not lines:
                return
            try:
                self._write(b"\n".join(lines) + b"\n")
            except Exception:
                self.dropped += len(lines)

    def close(self, timeout_s: float = 1.0) -> None:
        """Lets the writer finish, but does not wait for a reader that is stuck."""
        self._closed = True
        if self._thread is None:
            self.flush()
            return
        self._wake.release()
        self._thread.join(timeout_s)

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            self._wake.acquire()
            if not self._closed:
                time.sleep(GATHER_S)
            self.flush()
        self.flush()


def write_to_stderr(data: bytes) -> None:
    """All of it, past Python's buffers: those are locked at exit by a thread that is stuck in them."""
    while data:
        try:
            data = data[os.write(_STDERR, data) :]
        except BlockingIOError:  # somebody who shares the terminal made it non-blocking
            time.sleep(0.01)


def _made_safe(line: bytes) -> bytes:
    """Bounded and plain ASCII: JSON escapes C0, but a terminal also obeys C1 and marks of direction."""
    if len(line) <= MAX_LINE_BYTES and line.isascii() and b"\x7f" not in line:
        return line
    try:
        document = _bounded(msgspec.json.decode(line))
    except Exception:
        return b'{"type":"log.unreadable"}'
    return json.dumps(document, separators=(",", ":")).replace("\x7f", "\\u007f").encode()


def _bounded(value: Any, limit: int = MAX_TEXT_CHARS) -> Any:
    if isinstance(value, str):
        return value if len(value) <= limit else value[:limit] + "…"
    if isinstance(value, dict):
        return {
            name: _bounded(member, MAX_TRACE_CHARS if name == "trace" else limit)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_bounded(member) for member in value[:50]]
    return value
