"""Our cookies: read as browsers write them, set with every protection that the scheme allows (LG-04)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from innkeeper.server.config import Settings
from innkeeper.server.web.http import Request

_VALUE = re.compile(r"[A-Za-z0-9._~-]*")
_PREFIX: Final = "__Host-"


def session_cookie_name(settings: Settings) -> str:
    """Holds the handle of the session."""
    return _name("session", settings.issuer)


def browser_cookie_name(settings: Settings) -> str:
    """Holds the 128 random bits that tie interactions and forms to one browser."""
    return _name("browser", settings.issuer)


def read(request: Request, name: str) -> str | None:
    """The value of one of our cookies. Sent twice it counts as absent.

    Another host of our domain can plant a second cookie of the same name (LG-08); which of the two is ours
    cannot be told. `__Host-` prevents it, but plain http has no prefix.
    """
    values = [value for given, value in parse(request.header_values(b"cookie")) if given == name]
    return values[0] if len(values) == 1 else None


def parse(headers: Iterable[str]) -> list[tuple[str, str]]:
    """Names and values in order. Other people's odd cookies must not break ours, so nothing is an error."""
    pairs = []
    for part in ";".join(headers).split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            pairs.append((name.rstrip(), value.lstrip()))
    return pairs


def set_cookie(name: str, value: str, *, max_age_s: int | None = None) -> tuple[bytes, bytes]:
    """A response header. Without `max_age_s` it ends with the browser; `Secure` follows from the name."""
    if not _VALUE.fullmatch(value):
        raise ValueError("not a cookie value that we would make")
    secure = "; Secure" if name.startswith(_PREFIX) else ""
    age = "" if max_age_s is None else f"; Max-Age={max_age_s}"
    return b"set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}".encode("ascii")


def clear_cookie(name: str) -> tuple[bytes, bytes]:
    """A response header that ends it now."""
    return set_cookie(name, "", max_age_s=0)


@lru_cache(maxsize=16)
def _name(purpose: str, issuer: str) -> str:
    """Cookies ignore ports: two issuers on one host would overwrite each other's without the hash."""
    prefix = _PREFIX if issuer.startswith("https://") else ""
    return f"{prefix}innkeeper-{purpose}-{hashlib.sha256(issuer.encode()).hexdigest()[:8]}"
