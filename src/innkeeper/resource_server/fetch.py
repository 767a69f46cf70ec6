"""How a guard reads its issuer's documents: one function, so that tests can have their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Takes an address and answers the body of a 200; raises whatever it likes when there is none."""

MAX_DOCUMENT_BYTES: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 5.0


class FetchFailed(Exception):
    """The issuer answered, but not with a document."""


async def fetch_over_http(url: str) -> bytes:
    """One GET without redirects, compression or proxies from the environment: 256 KiB within 5 seconds."""
    import httpx2  # an API that only starts up should not pay for an HTTP client

    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != 200:
            raise FetchFailed(f"{url} answered {response.status_code}")
        body = bytearray()
        # Raw, so that a few compressed bytes cannot become gigabytes before they are counted.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                raise FetchFailed(f"{url} answered more than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(body)


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
