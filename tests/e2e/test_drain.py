"""How a node leaves: it says so first, serves on meanwhile, and finishes what it has begun (F24)."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from innkeeper.server.web.connection import LAST_CALL_S
from tests.house import http, within
from tests.nodes import Node, a_site, running

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]
DRAIN_S = 2.0
# The promise for a server that has nothing to wait for is drain_s; the bound for one that has, ten seconds.
LONGEST_END_S = 10.0


@pytest.fixture
async def node(tmp_path: Path) -> AsyncGenerator[Node]:
    site = await a_site(tmp_path / "data")
    with running(site.node()) as [node]:
        yield node


def get(node: Node, path: str) -> httpx2.Response:
    """By a connection of its own."""
    with http() as client:
        return client.get(f"{node.origin}{path}", headers={"host": node.site.host})


def told_to_end(node: Node, number: signal.Signals = signal.SIGTERM) -> float:
    """When it was told."""
    assert node.process is not None
    node.process.send_signal(number)
    return time.monotonic()


def ended(node: Node, since: float, seconds: float) -> float:
    """How long it took, with a good status."""
    assert node.process is not None
    assert node.process.wait(max(0.0, since + seconds - time.monotonic())) == 0, node.log
    return time.monotonic() - since


async def test_a_node_that_ends_says_so_for_two_seconds_and_serves_everybody_meanwhile(node: Node) -> None:
    assert get(node, "/readyz").status_code == 200
    since = told_to_end(node)
    within(1, lambda: get(node, "/readyz").status_code == 503)
    answer = get(node, "/readyz")
    assert answer.json() == {"status": "draining"} and answer.headers["retry-after"]
    while time.monotonic() - since < DRAIN_S - 0.5:
        answer = get(node, "/.well-known/openid-configuration")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        time.sleep(0.05)
    assert ended(node, since, LONGEST_END_S) >= DRAIN_S - 0.1
    assert "Traceback" not in node.log and "error" not in node.log


async def test_a_request_that_has_begun_to_arrive_is_answered_after_the_sockets_have_closed(
    node: Node,
) -> None:
    with (
        socket.create_connection(("127.0.0.1", node.port)) as begun,
        socket.create_connection(("127.0.0.1", node.port)) as other,
    ):
        begun.sendall(b"GET /healthz HTTP/1.1\r\nHos")
        other.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: %b\r\n" % node.site.host.encode())
        form = b"grant_type=client_credentials"
        other.sendall(
            b"content-type: application/x-www-form-urlencoded\r\ncontent-length: %d\r\n\r\n" % len(form)
        )
        time.sleep(0.2)
        since = told_to_end(node)
        within(LONGEST_END_S, lambda: not node.is_listening())
        time.sleep(1.2 * LAST_CALL_S)  # an idle connection would be closed by now
        begun.sendall(b"t: %b\r\n\r\n" % node.site.host.encode())
        other.sendall(form)
        for connection, status in ((begun, b"200"), (other, b"401")):
            told = b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023
            assert told.startswith(b"HTTP/1.1 %b" % status) and b"connection: close" in told, told
        ended(node, since, LONGEST_END_S)


async def test_a_node_does_not_wait_longer_than_ten_seconds_for_a_client_that_never_finishes(
    node: Node,
) -> None:
    with socket.create_connection(("127.0.0.1", node.port)) as never:
        never.sendall(b"GET /healthz HTTP/1.1\r\nHos")
        time.sleep(0.2)
        ended(node, told_to_end(node), LONGEST_END_S + 2)


async def test_whoever_keeps_a_connection_is_told_to_leave_it_and_loses_no_request(node: Node) -> None:
    answers: list[httpx2.Response] = []

    def ask_until_told_to_leave() -> None:
        with http() as client:
            while not answers or answers[-1].headers.get("connection") != "close":
                answers.append(client.get(f"{node.origin}/healthz", headers={"host": node.site.host}))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_until_told_to_leave) for _ in range(4)]
        within(5, lambda: len(answers) > 20)
        ended(node, told_to_end(node), LONGEST_END_S)
        for one in asking:
            one.result()
    assert {answer.status_code for answer in answers} == {200}


async def test_a_request_that_was_on_its_way_when_the_sockets_closed_is_answered(node: Node) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: %b\r\n\r\n" % node.site.host.encode()
    with (
        socket.create_connection(("127.0.0.1", node.port)) as new,
        socket.create_connection(("127.0.0.1", node.port)) as used,
    ):
        used.sendall(request)
        assert used.recv(65536).startswith(b"HTTP/1.1 200")
        since = told_to_end(node)
        within(LONGEST_END_S, lambda: not node.is_listening())
        for connection in (new, used):
            connection.sendall(request)
            told = b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023
            assert told.startswith(b"HTTP/1.1 200") and b"connection: close" in told, told
        ended(node, since, LONGEST_END_S)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_and_a_second_signal_do_not_wait(node: Node, end: signal.Signals) -> None:
    if end == signal.SIGTERM:
        told_to_end(node)
        within(1, lambda: get(node, "/readyz").status_code == 503)
    assert ended(node, told_to_end(node, end), LONGEST_END_S) < DRAIN_S - 0.5
