"""What must hold for a request's head before anything reads it (RFC 9112 §3.2, §6.1; HT-01, HT-05, DO-02)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from innkeeper.server.web.refusals import HeadersTooLarge, Refused, TargetTooLong, TooLarge

MAX_TARGET_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100
MAX_HEADERS_BYTES: Final = 32 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
CLOSE: Final = (b"connection", b"close")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def check(target_bytes: int, headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name (the last of each), or `Refused`; every refusal closes the connection.

    `Host` is checked but used for nothing: every URL we make comes from the configured issuer.
    """
    if target_bytes > MAX_TARGET_BYTES:
        raise TargetTooLong("the request line is too long", CLOSE)
    if len(headers) > MAX_HEADERS or len(b"".join(chain.from_iterable(headers))) > MAX_HEADERS_BYTES:
        raise HeadersTooLarge("the headers are too large", CLOSE)
    by_name = dict(headers)
    host = by_name.get(b"host")
    if host is None or not _is_host(host) or _repeated(b"host", headers, by_name):
        raise Refused("exactly one Host header is needed", CLOSE)
    if b"transfer-encoding" in by_name:
        _check_coding(by_name, headers)
    elif (length := by_name.get(b"content-length")) is not None:
        _check_length(length, headers, by_name)
    return by_name


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """A name or address with an optional port: no user, no path, no control character."""
    return _HOST.fullmatch(value) is not None


def has_body(by_name: dict[bytes, bytes]) -> bool:
    """Without either header a request ends with its head (RFC 9112 §6.3)."""
    return b"transfer-encoding" in by_name or by_name.get(b"content-length", b"0") != b"0"


def _check_coding(by_name: dict[bytes, bytes], headers: Sequence[tuple[bytes, bytes]]) -> None:
    """A proxy and we must never disagree about where a request ends: request smuggling."""
    plain = by_name[b"transfer-encoding"].strip().lower() == b"chunked"
    if not plain or b"content-length" in by_name or _repeated(b"transfer-encoding", headers, by_name):
        raise Refused("the length of the body is ambiguous", CLOSE)


def _check_length(length: bytes, headers: Sequence[tuple[bytes, bytes]], by_name: dict[bytes, bytes]) -> None:
    if not length.isdigit() or len(length) > 18 or _repeated(b"content-length", headers, by_name):
        raise Refused("the length of the body is ambiguous", CLOSE)
    if int(length) > MAX_BODY_BYTES:
        raise TooLarge("the body is too large", CLOSE)


def _repeated(name: bytes, headers: Sequence[tuple[bytes, bytes]], by_name: dict[bytes, bytes]) -> bool:
    """Cheap in the usual case, where no header at all is repeated."""
    return len(by_name) != len(headers) and sum(given == name for given, _ in headers) > 1
