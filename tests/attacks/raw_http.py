"""A front behind uvicorn on this machine, and clients that send it bytes that no library would send."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from innkeeper.server.config import Settings
from innkeeper.server.flows.services import Services
from innkeeper.server.web.asgi import Front
from innkeeper.server.web.connection import BoundedConnection
from innkeeper.server.web.http import Request, Response

HOST = b"Host: id.example.test\r\n"
GET = b"GET /page HTTP/1.1\r\n" + HOST
POST = b"POST /form HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


async def page(request: Request, services: Services) -> Response:
    """Tells what it was told."""
    told = json.dumps(
        {"path": request.path, "address": request.address, "body": request.body.decode("latin-1")}
    )
    return Response(headers=((b"content-type", b"application/json"),), body=told.encode())


def a_front(settings: Settings) -> Front:
    """Two pages and a form, without anything behind them."""
    routes = {("GET", "/page"): page, ("GET", "/admin"): page, ("POST", "/form"): page}
    return Front(settings, routes, services=cast(Services, object()))


@dataclass
class Reply:
    """Everything that came back on a connection, and whether the server closed it."""

    data: bytes
    was_closed: bool
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """Of each answer on this connection."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", self.data)]

    @property
    def told(self) -> dict[str, str]:
        """What `page` said."""
        decoded: dict[str, str] = json.loads(self.data.partition(b"\r\n\r\n")[2])
        return decoded

    def is_complete(self, answers: int) -> bool:
        """So many answers to their last byte, none of which announces that the connection ends."""
        rest, count = self.data, 0
        while (answer := _ANSWER.match(rest)) is not None:
            length = _LENGTH.search(answer[2])
            rest = rest[answer.end() + (int(length[1]) if length else 0) :]
            count += 1
        return count >= answers and not rest and b"connection: close" not in self.data


class Listening:
    """Until the end of the `with` block."""

    def __init__(self, front: Any, http: type[BoundedConnection] = BoundedConnection) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            front, http=http, ws="none", lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, timeout_keep_alive=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Listening:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()

    def connect(self) -> socket.socket:
        """A connection of one's own."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=3)

    def ask(self, *pieces: bytes, answers: int = 1, wait_s: float = 3.0) -> Reply:
        """Sends raw bytes; reads until the server closes, or so many answers are here and none of them is the last."""
        began = time.monotonic()
        reply = Reply(b"", False, 0)
        with self.connect() as client:
            with suppress(ConnectionError):
                for piece in pieces:
                    client.sendall(piece)
            while (
                not reply.was_closed and not reply.is_complete(answers) and time.monotonic() - began < wait_s
            ):
                reply = _read_more(client, reply)
        reply.seconds = time.monotonic() - began
        return reply


def _read_more(client: socket.socket, reply: Reply) -> Reply:
    try:
        piece = client.recv(65536)
    except TimeoutError:
        return reply
    except ConnectionError:
        piece = b""
    return Reply(reply.data + piece, not piece, 0)
