"""How a guard reads its issuer's documents: one function, so that tests can have their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Takes an address and answers the body of a 200; raises whatever it likes when there is none."""

Ask: TypeAlias = Callable[[str, Mapping[str, str], str], Awaitable[bytes]]
"""Posts a form to an address, with an Authorization header; answers the body of a 200, raises when there is none."""

MAX_DOCUMENT_BYTES: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 5.0
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity"}


class FetchFailed(Exception):
    """The issuer answered, but not with a document."""


async def fetch_over_http(url: str) -> bytes:
    """One GET without redirects, compression or proxies from the environment: 256 KiB within 5 seconds."""
    async with asyncio.timeout(TIMEOUT_SECONDS), _http_client() as client:
        return await _body_of(client, client.build_request("GET", url, headers=_HEADERS))


class HttpAsk:
    """`Ask` over HTTP as `fetch_over_http` speaks it, on connections that stay open from one question to the next.

    A connection belongs to the event loop that made it, so another loop gets a client of its own.
    """

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, url: str, form: Mapping[str, str], authorization: str) -> bytes:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = _http_client(), loop
        headers = {**_HEADERS, "authorization": authorization}
        request = self._client.build_request("POST", url, data=dict(form), headers=headers)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _body_of(self._client, request)

    async def aclose(self) -> None:
        """Closes the connections. It may be asked again: that opens new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()


def _http_client() -> httpx2.AsyncClient:
    import httpx2  # an API that only starts up should not pay for an HTTP client

    return httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS)


async def _body_of(client: httpx2.AsyncClient, request: httpx2.Request) -> bytes:
    response = await client.send(request, stream=True)
    try:
        if response.status_code != 200:
            raise FetchFailed(f"{request.url} answered {response.status_code}")
        body = bytearray()
        # Raw, so that a few compressed bytes cannot become gigabytes before they are counted.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                raise FetchFailed(f"{request.url} answered more than {MAX_DOCUMENT_BYTES} bytes")
        return bytes(body)
    finally:
        await response.aclose()


def is_trustworthy_address(url: object) -> bool:
    """https, or http on this very machine: keys read over an open network are anybody's keys."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or "#" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
