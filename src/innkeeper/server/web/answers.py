"""JSON answers and the one translation of an `OAuthError` to JSON (RFC 6749 §5.2)."""

from typing import Any, Final

import msgspec

from innkeeper.oauth.errors import OAuthError, TemporarilyUnavailable, TooManyFailures
from innkeeper.server.web import cors
from innkeeper.server.web.http import Response
from innkeeper.server.web.refusals import RETRY_AFTER

NO_STORE: Final = (b"cache-control", b"no-store")
_JSON: Final = (b"content-type", b"application/json")
_TOKEN_HEADERS: Final = (_JSON, NO_STORE, (b"pragma", b"no-cache"))
_ENCODER: Final = msgspec.json.Encoder()


def secret_json(value: Any, *, status: int = 200) -> Response:
    """Never cached: it may carry tokens or claims."""
    return Response(status=status, headers=_TOKEN_HEADERS, body=_ENCODER.encode(value))


def secret_jwt(token: str) -> Response:
    """A signed answer (OIDC Core §5.3.2)."""
    return Response(headers=((b"content-type", b"application/jwt"), NO_STORE), body=token.encode())


def public_document(body: bytes, *, max_age_s: int) -> Response:
    """A JSON document for everybody, from any origin."""
    caching = (b"cache-control", f"public, max-age={max_age_s}".encode())
    return Response(headers=(_JSON, caching, *cors.public()), body=body)


def refused(error: OAuthError, *, used_basic: bool = False) -> Response:
    """`error` and `error_description`; 401 names the scheme that was used (§5.2)."""
    response = secret_json({"error": error.code, "error_description": error.description}, status=error.status)
    if error.status == 401 and used_basic:
        response = response.with_headers((b"www-authenticate", b'Basic realm="innkeeper", charset="UTF-8"'))
    if isinstance(error, TooManyFailures):
        response = response.with_headers((b"retry-after", str(error.retry_after_s).encode()))
    elif isinstance(error, TemporarilyUnavailable):
        response = response.with_headers(RETRY_AFTER)
    return response
