"""How much may be under way at once in one process, and the answer to whoever comes beyond it (RFC 9110 §15.6.4).

A queue that grows only makes everybody wait: past the bound a request costs its parsing and one write, so that the
rest are served as fast as ever (F13, F27). What tells others how we are is answered always.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import msgspec

RETRY_AFTER_S: Final = 1
ALWAYS: Final = frozenset(
    {
        b"/healthz",
        b"/readyz",
        b"/.well-known/jwks.json",
        b"/.well-known/openid-configuration",
        b"/.well-known/oauth-authorization-server",
    }
)
_TELL_EVERY_S: Final = 10.0
_DESCRIPTION: Final = "too many requests are under way; try again in a moment"
_BODY: Final = msgspec.json.encode({"error": "temporarily_unavailable", "error_description": _DESCRIPTION})
# Apps in a browser may read it, whoever they are: it tells nothing about anybody.
_HEAD: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
    b"retry-after: %d\r\naccess-control-allow-origin: *\r\naccess-control-expose-headers: retry-after\r\n"
    b"x-content-type-options: nosniff\r\ncontent-length: %d\r\n" % (RETRY_AFTER_S, len(_BODY))
)
_log = logging.getLogger(__name__)


class Load:
    """One per process, shared by its connections."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.awaiting_body = 0
        """Requests that have a task and wait for their client: they cost nothing, and must not keep others out."""
        self.turned_away = 0
        self._told = 0
        self._told_at_s = 0.0

    def is_full(self, tasks: int) -> bool:
        """No more than `most` requests are under way; `tasks` counts those that wait for their body too."""
        return tasks - self.awaiting_body >= self.most

    def turn_away(self) -> None:
        """Counts, and tells the log now and then."""
        self.turned_away += 1
        now_s = time.monotonic()
        if now_s - self._told_at_s >= _TELL_EVERY_S or not self._told:
            count, self._told, self._told_at_s = self.turned_away - self._told, self.turned_away, now_s
            _log.warning("overload: %d requests turned away, %d are under way", count, self.most)


def is_always_answered(target: bytes) -> bool:
    """Health and the documents that others need in order to do without us."""
    return target.partition(b"?")[0] in ALWAYS


def answer(*, is_head: bool, is_last: bool) -> bytes:
    """503 with `Retry-After`."""
    end = b"connection: close\r\n\r\n" if is_last else b"\r\n"
    return _HEAD + end + (b"" if is_head else _BODY)
