"""HTTP as a client meets it when servers die: it tells a request that was never sent from one whose fate is unknown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

PATIENCE_S: Final = 30.0
# Shorter than any server's own limit, so that a connection is not reused while the server hangs up.
IDLE_S: Final = 2.0


class Unsent(Exception):
    """Nobody took the connection, so nobody has seen the request."""


class Unanswered(Exception):
    """The request was sent and no answer came: it may have happened, or not."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One whole answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def error(self) -> str:
        """The registered error code of a refusal."""
        return str(self.json.get("error", ""))


class Wire:
    """Keep-alive connections to one port of this machine; as many at once as there are requests under way."""

    def __init__(self, port: int, *, host: str, patience_s: float = PATIENCE_S) -> None:
        self.port = port
        self._host = host
        self._patience_s = patience_s
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()
        # The turn in which the loop lets go of the sockets.
        await asyncio.sleep(0)

    async def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.ask("GET", target, headers=headers)

    async def post(
        self, target: str, form: Mapping[str, str] | str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A form. Raises `Unsent` and `Unanswered`."""
        body = form if isinstance(form, str) else urlencode(form)
        named = {"content-type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", target, body.encode(), named | dict(headers or {}))

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request and its whole answer. Raises `Unsent` and `Unanswered`; nothing is ever sent twice."""
        reader, writer = await self._connection()
        is_whole = False
        try:
            async with asyncio.timeout(self._patience_s):
                writer.write(self._head(method, target, len(body), headers or {}) + body)
                answer = await _answer(reader)
                is_whole = answer.headers.get("connection", "") != "close"
        except (OSError, EOFError, TimeoutError) as error:
            raise Unanswered(f"{method} {target.partition('?')[0]}: {error!r}") from error
        finally:
            # Also when somebody cancels the wait: half an answer must never be taken for the next one's.
            if is_whole:
                self._idle.append((reader, writer, time.monotonic()))
            else:
                writer.close()
        return answer

    def close(self) -> None:
        """Every idle connection; those under way end with their requests."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, since = self._idle.pop()
            # Two turns of the loop: what the server has closed meanwhile is noticed now, and not after sending.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if time.monotonic() - since < IDLE_S and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        try:
            return await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as error:
            raise Unsent(f"port {self.port}: {error}") from error

    def _head(self, method: str, target: str, length: int, headers: Mapping[str, str]) -> bytes:
        named = {"host": self._host, "accept-language": "en", **headers}
        if length or method == "POST":
            named["content-length"] = str(length)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        return "\r\n".join([*lines, "", ""]).encode()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    headers = dict(pairs)
    if "content-length" not in headers:
        raise ValueError(f"an answer without a length: {head}")
    body = await reader.readexactly(int(headers["content-length"]))
    cookies = tuple(value for name, value in pairs if name == "set-cookie")
    return Answer(status=int(first.split(" ")[1]), headers=headers, body=body, cookies=cookies)
