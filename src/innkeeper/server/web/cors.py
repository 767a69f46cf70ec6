"""Which other origins' scripts may read an answer (Fetch standard §3.2). Never with credentials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from innkeeper.server.web.http import Response

Headers = tuple[tuple[bytes, bytes], ...]

ALLOWED_HEADERS: Final = b"authorization, content-type, dpop, auth0-client"
_EXPOSED: Final = (b"access-control-expose-headers", b"www-authenticate, dpop-nonce, retry-after")
_VARY: Final = (b"vary", b"Origin")
_PREFLIGHT_AGE: Final = (b"access-control-max-age", b"600")


def public() -> Headers:
    """Discovery and JWKS: any origin."""
    return ((b"access-control-allow-origin", b"*"),)


def for_origin(origin: str | None, *, allowed: bool) -> Headers:
    """Answers that differ by origin say so to caches, refusals too (HT-08). `null` is nobody's origin."""
    if origin is None or not allowed or origin == "null" or not _is_plain(origin):
        return (_VARY,)
    return ((b"access-control-allow-origin", origin.encode("ascii")), _EXPOSED, _VARY)


def preflight(origin: str | None, *, allowed: bool, methods: Iterable[str]) -> Response:
    """For an endpoint that asks who calls. A refusal is an empty 204 too: the browser does the refusing."""
    granted = for_origin(origin, allowed=allowed)
    if granted == (_VARY,):
        return Response(status=204, headers=granted)
    return Response(status=204, headers=(*granted, *_permissions(methods)))


def public_preflight(methods: Iterable[str]) -> Response:
    """For discovery and JWKS."""
    return Response(status=204, headers=(*public(), *_permissions(methods)))


def _permissions(methods: Iterable[str]) -> Headers:
    return (
        (b"access-control-allow-methods", ", ".join(methods).encode("ascii")),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        _PREFLIGHT_AGE,
    )


def _is_plain(origin: str) -> bool:
    return origin.isascii() and origin.isprintable() and " " not in origin and "*" not in origin
