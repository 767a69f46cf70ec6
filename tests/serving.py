"""Other people's apps for a test: each in a thread of its own, on a port that nobody else can take meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn


def free_socket() -> socket.socket:
    """Taken at once, so that nobody else gets its port before the app is there."""
    return socket.create_server(("127.0.0.1", 0))


def port_of(listening: socket.socket) -> int:
    return listening.getsockname()[1]


@contextmanager
def served(app: Any, listening: socket.socket) -> Generator[str]:
    """An ASGI app in a thread of its own; answers its origin."""
    config = uvicorn.Config(app, log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://localhost:{port_of(listening)}"
    finally:
        server.should_exit = True
        thread.join()
