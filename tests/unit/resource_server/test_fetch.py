"""The HTTP a guard speaks to its issuer: bounded, without redirects, without the environment's proxies."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from innkeeper.resource_server import fetch
from innkeeper.resource_server.fetch import FetchFailed, fetch_over_http, is_trustworthy_address

Answer = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def a_server(answer: bytes, *, pause_seconds: float = 0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A socket that gives one answer to everybody, and what it was asked."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        await asyncio.sleep(pause_seconds)
        writer.write(answer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        done.release()

    done = asyncio.Semaphore(0)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/jwks", requests
        for _ in requests:
            await done.acquire()


async def test_the_body_of_a_200_is_answered() -> None:
    async with a_server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}") as (url, requests):
        assert await fetch_over_http(url) == b"{}"
    assert requests[0].startswith(b"GET /jwks HTTP/1.1")


@pytest.mark.parametrize(
    "status", [b"302 Found\r\nlocation: /elsewhere", b"404 Not Found", b"500 Oops", b"204 No"]
)
async def test_anything_but_200_fails_and_no_redirect_is_followed(status: bytes) -> None:
    async with a_server(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n") as (url, requests):
        with pytest.raises(FetchFailed):
            await fetch_over_http(url)
    assert len(requests) == 1


async def test_a_body_over_256_kib_is_refused() -> None:
    body = b"x" * (256 * 1024 + 1)
    async with a_server(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + body) as (url, _):
        with pytest.raises(FetchFailed, match="more than"):
            await fetch_over_http(url)


async def test_a_compressed_body_is_never_inflated() -> None:
    bomb = zlib.compress(b"x" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: {len(bomb)}\r\n\r\n"
    async with a_server(head.encode() + bomb) as (url, requests):
        assert await fetch_over_http(url) == bomb
    assert b"accept-encoding: identity" in requests[0].lower()


async def test_a_silent_issuer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", 0.05)
    async with a_server(b"", pause_seconds=0.2) as (url, _):
        with pytest.raises(Exception, match=r".*") as given_up:
            await fetch_over_http(url)
    assert "Timeout" in type(given_up.value).__name__


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with a_server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}") as (url, _):
        assert await fetch_over_http(url) == b"{}"


@pytest.mark.parametrize(
    "address",
    ["http://evil.test", "http://2130706433", "https://a b", "https://ä.test", "javascript:1", None, 7],
)
def test_an_address_on_an_open_network_is_not_trustworthy(address: object) -> None:
    assert not is_trustworthy_address(address)
