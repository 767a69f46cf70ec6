"""Finding a free port and waiting for the first answer on it."""

from __future__ import annotations

import http.client
import socket
import time

from bench.process import BenchError

_POLL_S = 0.001


def free_port() -> int:
    """A port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_answer(port: int, path: str, limit_s: float = 30.0) -> float:
    """Asks until `path` is answered with 200; returns the instant of that answer on the monotonic clock."""
    give_up_at = time.monotonic() + limit_s
    while time.monotonic() < give_up_at:
        if get(port, path) == 200:
            return time.monotonic()
        time.sleep(_POLL_S)
    raise BenchError(f"no answer from port {port} within {limit_s:.0f} s")


def get(port: int, path: str) -> int | None:
    """The status of one GET, or None while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
