"""Bearer tokens in a header, and the challenge that asks for one (RFC 6750 §2.1 and §3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from innkeeper.oauth.errors import InvalidRequest, OAuthError, public_text

DEFAULT_REALM: Final = "OAuth"
MAX_HEADER_CHARS: Final = 16 * 1024 + 64
_CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)


def bearer_token(authorization_headers: Sequence[str]) -> str | None:
    """The token in a request's Authorization headers. None: no bearer credentials (another scheme is none).

    InvalidRequest: malformed, or two headers, of which a proxy and we might each believe another.
    """
    if not authorization_headers:
        return None
    if len(authorization_headers) > 1:
        raise InvalidRequest("more than one Authorization header")
    header = authorization_headers[0].strip(" \t")
    if header[:7].lower().rstrip(" \t") != "bearer":
        return None
    credentials = _CREDENTIALS.fullmatch(header) if len(header) <= MAX_HEADER_CHARS else None
    if credentials is None:
        raise InvalidRequest("the Authorization header is not a well-formed bearer token")
    return credentials[1]


def challenge(error: OAuthError | None, *, realm: str | None = None, scope: str | None = None) -> str:
    """The value of WWW-Authenticate. With `error=None`, no credentials came: then no code is given (§3.1)."""
    attributes = {"realm": realm or DEFAULT_REALM}
    if error is not None:
        attributes["error"] = error.code
        attributes["error_description"] = error.description
    if scope:
        attributes["scope"] = scope
    return "Bearer " + ", ".join(f'{name}="{public_text(value)}"' for name, value in attributes.items())
