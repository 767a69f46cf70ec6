"""Whoever comes when enough is under way hears so at once, and nobody keeps others out without asking anything."""

from __future__ import annotations

import asyncio
import re
import select
import socket
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from typing import cast

import pytest

from innkeeper.server.config import Settings
from innkeeper.server.flows.services import Services
from innkeeper.server.web.asgi import Front
from innkeeper.server.web.connection import bounded
from innkeeper.server.web.http import Request, Response
from innkeeper.server.web.overload import ALWAYS, RETRY_AFTER_S
from tests.attacks.raw_http import HOST, POST, Listening, page
from tests.house import within
from tests.world import ISSUER

MOST = 4
SLOW = b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n"
PAGE = b"GET /page HTTP/1.1\r\n" + HOST + b"\r\n"


class Slow:
    """An endpoint that answers when it is let."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.under_way = 0

    async def endpoint(self, request: Request, services: Services) -> Response:
        self.under_way += 1
        while not self.may_answer.is_set():
            await asyncio.sleep(0.01)
        self.under_way -= 1
        return Response(body=b"at last")


@pytest.fixture
def slow() -> Generator[Slow]:
    one = Slow()
    yield one
    one.may_answer.set()


@pytest.fixture
def listening(slow: Slow) -> Generator[Listening]:
    routes = {(method, "/slow"): slow.endpoint for method in ("GET", "POST")}
    routes |= {("GET", "/page"): page, ("POST", "/form"): page}
    routes |= {("GET", path.decode()): page for path in ALWAYS}
    front = Front(Settings(issuer=ISSUER), routes, services=cast(Services, object()))
    with Listening(front, bounded(MOST)) as running:
        yield running
        slow.may_answer.set()


@pytest.fixture
def busy(listening: Listening, slow: Slow) -> Generator[list[socket.socket]]:
    """As many requests under way as there may be."""
    with ExitStack() as stack:
        clients = [stack.enter_context(listening.connect()) for _ in range(MOST)]
        for client in clients:
            client.sendall(SLOW)
        within(5, lambda: slow.under_way == MOST)
        yield clients


def test_one_more_is_turned_away_at_once_and_told_when_to_come_back(
    listening: Listening, busy: list[socket.socket], slow: Slow
) -> None:
    reply = listening.ask(PAGE)
    assert reply.statuses == [503] and reply.seconds < 1
    assert b"retry-after: 1\r\n" in reply.data and b"temporarily_unavailable" in reply.data
    assert b"cache-control: no-store\r\n" in reply.data and not reply.was_closed
    slow.may_answer.set()
    for client in busy:
        assert b"at last" in client.recv(65536)
    within(2, lambda: listening.ask(PAGE).statuses == [200])


def test_whoever_does_not_wait_is_made_to_wait(listening: Listening, busy: list[socket.socket]) -> None:
    """Saying no costs too: a client that asks again at once, and again, would keep us busy with nothing else."""
    with listening.connect() as client:
        began = time.monotonic()
        for _ in range(2):
            client.sendall(PAGE)
            assert client.recv(65536).startswith(b"HTTP/1.1 503")
        assert time.monotonic() - began > 0.9 * RETRY_AFTER_S


def test_a_connection_that_was_turned_away_can_be_used_again(
    listening: Listening, busy: list[socket.socket], slow: Slow
) -> None:
    with listening.connect() as client:
        for request in (
            PAGE,
            POST + b"Content-Length: 3\r\n\r\na=b",
            b"HEAD /page HTTP/1.1\r\n" + HOST + b"\r\n",
        ):
            client.sendall(request)
            told = client.recv(65536)
            assert told.startswith(b"HTTP/1.1 503"), told
            assert (b"too many requests" in told) is not request.startswith(b"HEAD")
        slow.may_answer.set()
        within(2, lambda: slow.under_way == 0)
        time.sleep(0.05)
        client.sendall(PAGE)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", sorted(path.decode() for path in ALWAYS))
def test_health_and_the_published_documents_are_answered_however_much_there_is(
    listening: Listening, busy: list[socket.socket], path: str
) -> None:
    request = b"GET %b?x=1 HTTP/1.1\r\n" % path.encode() + HOST + b"\r\n"
    assert listening.ask(request).statuses == [200]


def test_requests_whose_body_never_comes_keep_nobody_out(listening: Listening) -> None:
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            client = stack.enter_context(listening.connect())
            client.sendall(POST + b"Content-Length: 100\r\n\r\nhalf of it")
        time.sleep(0.2)
        assert listening.ask(PAGE).statuses == [200]
    within(2, lambda: listening.ask(PAGE).statuses == [200])


def test_bodies_that_broke_off_make_no_room_for_more(listening: Listening, slow: Slow) -> None:
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            client = stack.enter_context(listening.connect())
            client.sendall(POST + b"Content-Length: 100\r\n\r\nhalf of it")
        time.sleep(0.2)
    with ExitStack() as stack:
        for _ in range(2 * MOST):
            stack.enter_context(listening.connect()).sendall(SLOW)
        within(5, lambda: slow.under_way >= MOST)
        time.sleep(0.2)
        assert slow.under_way == MOST


def test_a_pipelined_request_whose_body_never_comes_makes_no_room_for_more(
    listening: Listening, slow: Slow
) -> None:
    """It has no task yet, so it must not be taken off those that have: the bound could be talked away."""
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            client = stack.enter_context(listening.connect())
            client.sendall(SLOW + POST + b"Content-Length: 100\r\n\r\nhalf of it")
        within(5, lambda: slow.under_way >= MOST)
        time.sleep(0.2)
        assert slow.under_way == MOST
        assert listening.ask(PAGE).statuses == [503]


def test_a_pipelined_request_that_has_started_waits_for_its_body_like_any_other(
    listening: Listening, slow: Slow
) -> None:
    """Once the one ahead of it was answered it has a task, costs nothing, and keeps nobody out."""
    with ExitStack() as stack:
        for _ in range(2 * MOST):
            client = stack.enter_context(listening.connect())
            client.sendall(PAGE + POST + b"Content-Length: 100\r\n\r\nhalf of it")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(0.2)
        assert listening.ask(PAGE).statuses == [200]
    with ExitStack() as stack:
        for _ in range(2 * MOST):
            stack.enter_context(listening.connect()).sendall(SLOW)
        within(5, lambda: slow.under_way >= MOST)
        time.sleep(0.2)
        assert slow.under_way == MOST


def test_a_body_that_nobody_waits_for_makes_no_room_for_more(listening: Listening, slow: Slow) -> None:
    """Answered before it has come: the task is over, so there is nothing to take it off."""
    early = POST.replace(b"/form", b"/nowhere") + b"Content-Length: 100\r\n\r\nhalf of it"
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            client = stack.enter_context(listening.connect())
            client.sendall(early)
            assert client.recv(65536).startswith(b"HTTP/1.1 404")
        for _ in range(2 * MOST):
            stack.enter_context(listening.connect()).sendall(SLOW)
        within(5, lambda: slow.under_way >= MOST)
        time.sleep(0.2)
        assert slow.under_way == MOST


def test_bodies_that_come_all_at_once_are_no_more_than_the_bound(listening: Listening, slow: Slow) -> None:
    """Each of them was let in while it waited for its body and cost nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(listening.connect()) for _ in range(3 * MOST)]
        for client in clients:
            client.sendall(POST.replace(b"/form", b"/slow") + b"Content-Length: 5\r\n\r\nha")
        time.sleep(0.2)
        for client in clients:
            client.sendall(b"lf=")
        within(5, lambda: slow.under_way >= MOST)
        told = [client.recv(65536) for client in waited_for(clients, 2 * MOST)]
        assert all(answer.startswith(b"HTTP/1.1 503") for answer in told)
        assert slow.under_way == MOST
        slow.may_answer.set()
        within(2, lambda: slow.under_way == 0)
        time.sleep(0.05)
        answered = [client.recv(65536) for client in waited_for(clients, MOST)]
        assert all(b"at last" in answer for answer in answered)
        for client in clients:
            client.sendall(PAGE)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")


def waited_for(clients: list[socket.socket], count: int) -> list[socket.socket]:
    """Those who have been answered, once there are so many."""
    heard: list[socket.socket] = []

    def enough() -> bool:
        heard[:] = select.select(clients, [], [], 0)[0]
        return len(heard) >= count

    within(5, enough)
    return heard


def test_those_who_hang_up_still_count_until_their_work_is_done(
    listening: Listening, busy: list[socket.socket], slow: Slow
) -> None:
    """Else a loop of connect, ask and hang up would pile up work without bound."""
    for client in busy:
        client.close()
    time.sleep(0.2)
    assert slow.under_way == MOST
    assert listening.ask(PAGE).statuses == [503]


def test_a_pipelined_request_is_never_answered_before_the_one_ahead_of_it(
    listening: Listening, busy: list[socket.socket], slow: Slow
) -> None:
    busy[0].sendall(PAGE)
    time.sleep(0.2)
    slow.may_answer.set()
    told = b""
    while told.count(b"HTTP/1.1 ") < 2:
        told += busy[0].recv(65536)
    assert re.findall(rb"HTTP/1\.1 (\d+)", told) == [b"200", b"200"]
    assert told.index(b"at last") < told.index(b"/page")
