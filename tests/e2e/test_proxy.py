"""The load balancer of our own tests does what it says; else two nodes would prove nothing."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Generator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any, ClassVar

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.house import http, within
from tests.proxy import Proxy, a_proxy
from tests.serving import free_socket, port_of, served

pytestmark = pytest.mark.e2e


class Node:
    """It tells who answered and what it was given."""

    def __init__(self) -> None:
        self.is_ready = True
        self.listening = free_socket()
        self.port = port_of(self.listening)
        methods = ["GET", "POST"]
        self.app = Starlette(
            routes=[Route("/readyz", self.readyz), Route("/{path:path}", self.told, methods=methods)]
        )

    async def readyz(self, request: Request) -> Response:
        return Response(status_code=200 if self.is_ready else 503)

    async def told(self, request: Request) -> Response:
        given: dict[str, Any] = {
            "port": self.port,
            "url": str(request.url),
            "from": request.headers.getlist("x-forwarded-for"),
            "body": (await request.body()).decode(),
        }
        return JSONResponse(given, headers={"set-cookie": "node=1"})


@pytest.fixture
def nodes() -> Generator[tuple[Node, Node]]:
    pair = Node(), Node()
    with ExitStack() as stack:
        for node in pair:
            stack.enter_context(served(node.app, node.listening))
        yield pair


@pytest.fixture
def proxy(nodes: tuple[Node, Node]) -> Generator[Proxy]:
    with a_proxy([node.port for node in nodes]) as running:
        running.wait_until_ready()
        yield running


def asked(proxy: Proxy, **options: Any) -> httpx2.Response:
    with http() as client:
        return client.post(f"{proxy.origin}/some/path?query=1", **options)


def test_requests_of_one_connection_go_to_the_nodes_in_turn(proxy: Proxy) -> None:
    with http() as client:
        ports = [client.get(f"{proxy.origin}/x").json()["port"] for _ in range(6)]
    assert len(set(ports)) == 2
    assert all(first != second for first, second in pairwise(ports))


def test_a_request_arrives_whole_with_the_address_it_came_from(proxy: Proxy) -> None:
    answer = asked(proxy, content="x" * 50_000, headers={"x-forwarded-for": "192.0.2.1"})
    told = answer.json()
    assert told["body"] == "x" * 50_000
    assert told["url"] == f"{proxy.origin}/some/path?query=1"
    assert told["from"] == ["127.0.0.1"], "what a client says about itself is not passed on"
    assert answer.headers["set-cookie"] == "node=1"
    with http() as client:
        assert client.head(f"{proxy.origin}/x").status_code == 200


def test_a_node_that_is_not_ready_gets_nothing_until_it_is(proxy: Proxy, nodes: tuple[Node, Node]) -> None:
    nodes[0].is_ready = False
    within(2, lambda: proxy.ready == {nodes[1].port})
    assert {asked(proxy).json()["port"] for _ in range(4)} == {nodes[1].port}
    nodes[0].is_ready = True
    within(2, lambda: len(proxy.ready) == 2)
    assert {asked(proxy).json()["port"] for _ in range(4)} == {node.port for node in nodes}


class BreaksOff(socketserver.BaseRequestHandler):
    """A node that is ready, and dies with every request."""

    heard: ClassVar[list[str]] = []

    def handle(self) -> None:
        first_line = self.request.recv(65536).partition(b"\r\n")[0].decode()
        if first_line.startswith("GET /readyz"):
            self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        else:
            self.heard.append(first_line)


def test_a_node_that_breaks_off_is_502_without_a_second_try(nodes: tuple[Node, Node]) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), BreaksOff) as breaking:
        threading.Thread(target=breaking.serve_forever, daemon=True).start()
        with a_proxy([breaking.server_address[1], nodes[0].port]) as proxy:
            proxy.wait_until_ready()
            assert sorted(asked(proxy).status_code for _ in range(6)) == [200] * 3 + [502] * 3
        breaking.shutdown()
    assert len(BreaksOff.heard) == 3


def test_where_nobody_is_ready_the_answer_is_503() -> None:
    gone = free_socket()
    with a_proxy([port_of(gone)]) as alone:
        gone.close()
        assert asked(alone).status_code == 503
        assert asked(alone).headers["retry-after"] == "1"
