"""Requests that are too large or never end: DO-01, DO-02, DO-11, over real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from innkeeper.server.config import Settings
from innkeeper.server.web import connection
from tests.attacks.raw_http import CHUNKED, GET, HOST, POST, Listening, a_front

SETTINGS = Settings(issuer="https://id.example.test")


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    with Listening(a_front(SETTINGS)) as listening:
        yield listening


def test_DO_01_an_announced_gigabyte_is_refused_at_once(server: Listening) -> None:
    reply = server.ask(POST + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1000)
    assert (reply.statuses, reply.was_closed) == ([413], True)
    assert b'"invalid_request"' in reply.data


def test_DO_01_chunks_without_end_are_cut_off(server: Listening) -> None:
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    reply = server.ask(POST + CHUNKED + b"\r\n", *[chunk] * 400)
    assert (reply.statuses[:1], reply.was_closed) == ([413], True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, id="100 kB path"),
        pytest.param(
            b"GET /page?" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, id="20 kB query"
        ),
        pytest.param(GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431, id="40 kB header"),
        pytest.param(GET + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", 431, id="1 MB header"),
        pytest.param(GET + b"X: " + b"a" * 1_000_000, 431, id="header without end"),
        pytest.param(GET + b"X" * 1_000_000, 431, id="header name without end"),
        pytest.param(GET + b"X: a\r\n" * 100 + b"\r\n", 431, id="101 headers"),
        pytest.param(GET + b"Cookie: " + b"a=b; " * 100_000 + b"\r\n\r\n", 431, id="100,000 cookies"),
    ],
)
def test_DO_02_what_is_too_large_is_refused(server: Listening, data: bytes, status: int) -> None:
    reply = server.ask(data)
    assert (reply.statuses[:1], reply.was_closed) == ([status], True)
    assert server.ask(GET + b"\r\n").statuses == [200]


def test_DO_11_a_request_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT_S", 0.2)
    with Listening(a_front(SETTINGS)) as listening:
        in_body = (POST + b"Content-Length: 5\r\n\r\nab", POST + CHUNKED + b"\r\n")
        for unfinished in (b"GET /pa", GET, GET + b"X: a", *in_body):
            reply = listening.ask(unfinished)
            assert (reply.data, reply.was_closed) == (b"", True)
        assert listening.ask(GET + b"\r\n").statuses == [200]


def test_DO_11_a_drop_now_and_then_does_not_keep_a_request_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT_S", 0.3)
    with Listening(a_front(SETTINGS)) as listening:
        began = time.monotonic()
        with listening.connect() as client, suppress(ConnectionError):
            client.sendall(GET)
            while time.monotonic() - began < 3:
                client.sendall(b"X: a\r\n")
                time.sleep(0.05)
        assert time.monotonic() - began < 2


def test_DO_11_a_connection_that_says_nothing_is_closed(server: Listening) -> None:
    reply = server.ask(b"", wait_s=4)
    assert (reply.data, reply.was_closed) == (b"", True)


def test_DO_11_a_finished_request_outlives_the_deadline_of_a_slow_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "REQUEST_TIMEOUT_S", 0.3)
    with Listening(a_front(SETTINGS)) as listening, listening.connect() as client:
        client.sendall(GET)
        time.sleep(0.05)
        client.sendall(b"\r\n")
        time.sleep(0.5)
        client.sendall(GET + b"\r\n")
        client.settimeout(2)
        time.sleep(0.1)
        assert client.recv(65536).count(b"HTTP/1.1 200") == 2
