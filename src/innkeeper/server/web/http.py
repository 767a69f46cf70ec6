"""The two values that every endpoint and page is written against: functions `Request -> Response`, no framework."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from innkeeper.server.flows.services import Services


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request, read to its end. Header names are lower case, as ASGI gives them.

    `address` is the peer's, or the one a trusted proxy vouches for. `correlation_id` ties log lines together.
    """

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    address: str
    correlation_id: str

    def header(self, name: bytes) -> str | None:
        """The first value of a header; None when absent. Where several matter, ask `header_values`."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def header_values(self, name: bytes) -> list[str]:
        """Every value of a header, in order."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Status, headers (lower case) and the whole body."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[bytes, bytes]) -> "Response":
        """The same answer with more headers."""
        return Response(status=self.status, headers=self.headers + headers, body=self.body)


Endpoint = Callable[[Request, "Services"], Awaitable[Response]]
