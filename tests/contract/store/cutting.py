"""A wire to PostgreSQL that is cut when a COMMIT is on its way, or when its answer is, or before anything was said.

It knows where messages end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

Where = Literal["before", "after", "during"]
_CHUNK: Final = 1 << 16
# https://www.postgresql.org/docs/current/protocol-message-formats.html
_EXECUTE, _QUERY, _COMPLETE, _READY, _IDLE = b"E", b"Q", b"C", b"Z", b"I"


class Messages:
    """Takes bytes as they come and gives whole messages: type, and everything with its length."""

    def __init__(self, *, begins_untyped: bool) -> None:
        self._buffer = b""
        # The very first message of a client has no type.
        self._is_untyped = begins_untyped

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that are complete now."""
        self._buffer += data
        found: list[tuple[bytes, bytes]] = []
        while True:
            offset = 0 if self._is_untyped else 1
            if len(self._buffer) < offset + 4:
                return found
            length = offset + int.from_bytes(self._buffer[offset : offset + 4], "big")
            if len(self._buffer) < length:
                return found
            message, self._buffer = self._buffer[:length], self._buffer[length:]
            found.append((message[:offset], message))
            self._is_untyped = False


class Cutter:
    """Made by `a_cutting_wire`. `cut_next` is for one transition; `cuts` counts what was cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._armed: Where | None = None
        self.cuts = 0

    def cut_next(self, where: Where) -> None:
        """The next commit: `after` it has happened and before its answer arrives, or `during` it, nobody knows when.

        Or `before` the next word on a connection that was idle: nothing has happened, and nobody knows that either.
        """
        self._armed = where

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        behind, ahead = await asyncio.open_connection(*self._target)
        wire = _Wire(self, (reader, writer), (behind, ahead))
        try:
            await wire.run()
        finally:
            writer.transport.abort()
            ahead.transport.abort()

    def takes(self, where: Where) -> bool:
        """Whether this is the one."""
        if self._armed != where:
            return False
        self._armed = None
        self.cuts += 1
        return True


class _Wire:
    """Two directions of one connection, and what PostgreSQL says of its transaction."""

    def __init__(
        self,
        cutter: Cutter,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._cutter = cutter
        self._client = client
        self._server = server
        self._is_ready = False
        self._is_idle = True
        self._has_completed = False
        self._is_deaf = False

    async def run(self) -> None:
        there = asyncio.create_task(self._there())
        try:
            with suppress(OSError):
                await self._back()
        finally:
            there.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await there

    async def _there(self) -> None:
        messages = Messages(begins_untyped=True)
        while data := await self._client[0].read(_CHUNK):
            for kind, message in messages.feed(data):
                if self._is_ready and self._is_idle and self._cutter.takes("before"):
                    self._client[1].transport.abort()
                    self._server[1].transport.abort()
                    return
                self._server[1].write(message)
                is_commit = self._is_idle and kind == _EXECUTE
                is_commit |= not self._is_idle and kind == _QUERY and message[5:].startswith(b"COMMIT")
                if is_commit and self._cutter.takes("during"):
                    # It goes on there, to its end, and nobody here will hear of it.
                    self._server[1].write(_sync())
                    self._is_deaf = True
                    self._client[1].transport.abort()
        if not self._is_deaf:
            self._server[1].close()

    async def _back(self) -> None:
        messages = Messages(begins_untyped=False)
        while data := await self._server[0].read(_CHUNK):
            for kind, message in messages.feed(data):
                if kind == _COMPLETE:
                    self._has_completed = True
                elif kind == _READY:
                    self._is_ready = True
                    self._is_idle = message[5:] == _IDLE
                    if self._is_idle and self._has_completed and self._cutter.takes("after"):
                        return
                    self._has_completed = False
                    if self._is_deaf:
                        return
                if not self._is_deaf:
                    self._client[1].write(message)


def _sync() -> bytes:
    """What ends an extended query, should it not have been sent yet; PostgreSQL takes a second one without a word."""
    return b"S" + (4).to_bytes(4, "big")


@asynccontextmanager
async def a_cutting_wire(dsn: str) -> AsyncIterator[tuple[Cutter, str]]:
    """In front of the database that `dsn` names, and the DSN that leads through it."""
    parts = urlsplit(dsn)
    cutter = Cutter(parts.hostname or "127.0.0.1", parts.port or 5432)
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    person, at, _ = parts.netloc.rpartition("@")
    through = urlunsplit(parts._replace(netloc=f"{person}{at}127.0.0.1:{port}", query="sslmode=disable"))
    async with server:
        yield cutter, through
