"""Reading a document at an address that somebody else chose, without becoming their way into our network."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlunsplit

from innkeeper.server.protocol import foreign_address
from innkeeper.server.protocol.foreign_address import ForeignAddressRefused

if TYPE_CHECKING:
    import httpx2

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Every address of a host."""
ReadDocument = Callable[[str], Awaitable[bytes]]
"""The document at this address; raises whatever it likes when there is none."""

MAX_BYTES: Final = 64 * 1024
TIMEOUT_S: Final = 5.0
MAX_AT_ONCE: Final = 8


class DocumentRefused(Exception):
    """There was an answer, but not a document of acceptable size."""


class ForeignDocuments:
    """One GET: https, no redirect, no proxy, no cookie, no credential, 64 KiB within five seconds.

    The name is resolved once. Every address must be public, and the connection goes to the address that was
    checked: a second answer of the name server decides nothing (DNS rebinding). The certificate is still the host's.
    """

    def __init__(
        self,
        *,
        is_dev: bool,
        resolve: Resolve | None = None,
        transport: "httpx2.AsyncBaseTransport | None" = None,
    ) -> None:
        """`transport` and `resolve` are for tests."""
        self._is_dev = is_dev
        self._resolve = resolve or _resolve
        self._transport = transport
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def read(self, url: str) -> bytes:
        """Raises `ForeignAddressRefused`, `DocumentRefused`, and what a transport raises."""
        parts = foreign_address.checked(url, is_dev=self._is_dev)
        async with self._places, asyncio.timeout(TIMEOUT_S):
            address = await self._checked_address(parts)
            return await self._get(parts, address)

    async def _checked_address(self, parts: SplitResult) -> str:
        host = parts.hostname or ""
        addresses = await self._resolve(host, _port(parts))
        if not addresses:
            raise ForeignAddressRefused("the name has no address")
        for address in addresses:
            foreign_address.check_reachable(address, is_dev=self._is_dev)
        return addresses[0]

    async def _get(self, parts: SplitResult, address: str) -> bytes:
        import httpx2  # a server whose apps publish no keys should not pay for an HTTP client

        literal = f"[{address}]" if ":" in address else address
        target = urlunsplit((parts.scheme, f"{literal}:{_port(parts)}", parts.path or "/", parts.query, ""))
        headers = {"host": parts.netloc, "accept": "application/json", "accept-encoding": "identity"}
        async with (
            httpx2.AsyncClient(
                follow_redirects=False, trust_env=False, timeout=TIMEOUT_S, transport=self._transport
            ) as client,
            client.stream(
                "GET", target, headers=headers, extensions={"sni_hostname": parts.hostname}
            ) as response,
        ):
            if response.status_code != 200:
                raise DocumentRefused(f"status {response.status_code}")
            body = bytearray()
            # Raw, so that a few compressed bytes cannot become gigabytes before they are counted.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise DocumentRefused(f"more than {MAX_BYTES} bytes")
        return bytes(body)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
