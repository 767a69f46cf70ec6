"""What the front itself says no to, before or instead of an endpoint; as JSON (RFC 6749 §5.2)."""

from __future__ import annotations

from typing import Final

import msgspec

from innkeeper.server.flows.services import Busy
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.web.http import Request, Response

RETRY_AFTER: Final = (b"retry-after", b"2")


class Refused(Exception):
    """A request that no endpoint will see."""

    status = 400
    error = "invalid_request"

    def __init__(self, description: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(description)
        self.description = description
        self.headers = headers


class NotFound(Refused):
    """No such path. Paths match byte by byte: another slash, case or encoding is another path (HT-10)."""

    status = 404


class MethodNotAllowed(Refused):
    """The path is known, but not with this method; `Allow` says which (RFC 9110 §15.5.6)."""

    status = 405


class TooLarge(Refused):
    """The body is above the cap (RFC 9110 §15.5.14)."""

    status = 413


class TargetTooLong(Refused):
    """The request line is above the cap (RFC 9110 §15.5.15)."""

    status = 414


class HeadersTooLarge(Refused):
    """RFC 6585 §5."""

    status = 431


def as_json(request: Request, error: Exception) -> Response:
    """The plain translation of whatever went wrong; a bug is named by an id that the log explains."""
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, (StoreUnavailable, Busy)):
        return _json(503, "temporarily_unavailable", "try again in a moment").with_headers(RETRY_AFTER)
    return _json(500, "server_error", f"this is our fault; error id {request.correlation_id}")


def refusal(refused: Refused) -> Response:
    """Also usable where there is no `Request` yet."""
    return _json(refused.status, refused.error, refused.description).with_headers(*refused.headers)


def _json(status: int, error: str, description: str) -> Response:
    body = msgspec.json.encode({"error": error, "error_description": description})
    return Response(status=status, headers=((b"content-type", b"application/json"),), body=body)
