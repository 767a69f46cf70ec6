"""What is refused by a request's head alone."""

from __future__ import annotations

import pytest

from innkeeper.server.web import request_head
from innkeeper.server.web.refusals import Refused

HOST = (b"host", b"id.example")


def refusal(*headers: tuple[bytes, bytes], target_bytes: int = 10) -> int | None:
    try:
        request_head.check(target_bytes, headers)
    except Refused as refused:
        return refused.status if request_head.CLOSE in refused.headers else -1
    return None


@pytest.mark.parametrize(
    "value",
    [b"id.example", b"ID.example:443", b"127.0.0.1:9000", b"[::1]:9000", b"[2001:db8::1]", b"a_b", b"x"],
)
def test_one_host_of_any_name_is_fine(value: bytes) -> None:
    assert refusal((b"host", value)) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"good:80@evil",
        b"user@evil",
        b"a/b",
        b"a b",
        b"a,b",
        b"a\tb",
        b"a:b",
        b"a:123456",
        b"[::1",
        b"\xff",
    ],
)
def test_HT_01_a_host_that_is_none_is_refused(value: bytes) -> None:
    assert refusal((b"host", value)) == 400


def test_HT_01_no_host_and_two_hosts_are_refused() -> None:
    assert refusal() == 400
    assert refusal(HOST, HOST) == 400
    assert refusal(HOST, (b"x", b"y"), (b"host", b"evil")) == 400


def test_a_body_is_announced_by_length_or_coding() -> None:
    def announced(*headers: tuple[bytes, bytes]) -> bool:
        return request_head.has_body(request_head.check(0, (HOST, *headers)))

    assert not announced()
    assert not announced((b"content-length", b"0"))
    assert announced((b"content-length", b"5"))
    assert announced((b"transfer-encoding", b"chunked"))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"4")],
        [(b"transfer-encoding", b"xchunked")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"")],
        [(b"content-length", b"4"), (b"content-length", b"4")],
        [(b"content-length", b"4, 4")],
        [(b"content-length", b"+4")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"0x4")],
        [(b"content-length", b"")],
        [(b"content-length", b"9" * 30)],
    ],
)
def test_HT_05_a_body_of_doubtful_length_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert refusal(HOST, *headers) == 400


def test_DO_01_an_announced_body_above_the_cap_is_refused_unread() -> None:
    assert refusal(HOST, (b"content-length", b"%d" % request_head.MAX_BODY_BYTES)) is None
    assert refusal(HOST, (b"content-length", b"%d" % (request_head.MAX_BODY_BYTES + 1))) == 413
    assert refusal(HOST, (b"content-length", b"1000000000")) == 413


def test_DO_02_a_long_target_is_refused() -> None:
    assert refusal(HOST, target_bytes=request_head.MAX_TARGET_BYTES) is None
    assert refusal(HOST, target_bytes=request_head.MAX_TARGET_BYTES + 1) == 414


def test_DO_02_many_or_large_headers_are_refused() -> None:
    assert refusal(HOST, *[(b"x", b"y")] * 99) is None
    assert refusal(HOST, *[(b"x", b"y")] * 100) == 431
    assert refusal(HOST, (b"cookie", b"a=b; " * 10_000)) == 431
