"""Headers that every answer carries unless its endpoint says otherwise (ASVS V3.4, RFC 9700 §4.16)."""

from __future__ import annotations

from typing import Final

from innkeeper.server.web.http import Response

Header = tuple[bytes, bytes]

_DENIED: Final[Header] = (b"x-frame-options", b"DENY")
_POLICY: Final = b"content-security-policy"
_NAMES_A_FRAME: Final = b"frame-ancestors http"

# `no-referrer`: our addresses carry codes, states and sealed interactions (RFC 9700 §4.2). The price is that browsers
# send `Origin: null` with the forms of our own pages; `csrf.py` takes it only beside their Sec-Fetch-Site.
_ALWAYS: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    _DENIED,
)
_HSTS: Final[Header] = (b"strict-transport-security", b"max-age=63072000")
_WITHOUT_LENGTH: Final = frozenset({204, 304})


class SecurityHeaders:
    """Made once; HSTS only where the issuer is https."""

    def __init__(self, *, is_secure: bool) -> None:
        self._defaults = (*_ALWAYS, _HSTS) if is_secure else _ALWAYS

    def complete(self, response: Response) -> list[Header]:
        """The endpoint's headers, what is missing of ours, and the length."""
        headers = list(response.headers)
        given = dict(headers)
        headers += [pair for pair in self._defaults if pair[0] not in given]
        if _NAMES_A_FRAME in given.get(_POLICY, b""):
            headers.remove(_DENIED)  # DENY would contradict it where a browser goes by the older header
        if response.status not in _WITHOUT_LENGTH:
            headers.append((b"content-length", b"%d" % len(response.body)))
        return headers
