"""Claims of a verified JWT and the rules they must meet (RFC 7519 §4.1, RFC 9068 §2.2, RFC 8725 §3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from innkeeper.jose.errors import TokenRefused

_YEAR_10000 = 253402300800


class Claims(Mapping[str, Any]):
    """What a JWT says, after everything about it was checked. Only `jose.jwt.verify` makes one."""

    __slots__ = ("_raw", "aud", "exp", "iat", "iss", "sub")

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self.iss = _text(raw, "iss")
        self.sub = _text(raw, "sub")
        self.aud = _audience(raw)
        self.exp = _instant(raw, "exp")
        self.iat: datetime | None = _instant(raw, "iat") if "iat" in raw else None

    @property
    def raw(self) -> Mapping[str, Any]:
        return MappingProxyType(self._raw)

    @property
    def jti(self) -> str | None:
        return self._optional_text("jti")

    @property
    def client_id(self) -> str | None:
        return self._optional_text("client_id")

    @property
    def scope(self) -> str | None:
        return self._optional_text("scope")

    def __getitem__(self, name: str) -> Any:
        return self._raw[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"Claims(names={list(self._raw)!r})"

    def _optional_text(self, name: str) -> str | None:
        value = self._raw.get(name)
        return value if isinstance(value, str) else None


def check(
    raw: dict[str, Any],
    *,
    now: datetime,
    issuer: str,
    audience: str | None,
    leeway: timedelta,
    may_be_expired: bool = False,
) -> Claims:
    """The claims, or TokenRefused. Types come first: a comparison with the wrong type decides nothing."""
    for name in ("jti", "client_id", "scope"):
        if name in raw:
            _text(raw, name, empty_is_fine=name == "scope")
    claims = Claims(raw)
    if claims.iss != issuer:
        raise TokenRefused("issuer", "iss is not the expected issuer")
    if audience is not None and audience not in claims.aud:
        raise TokenRefused("audience", "aud does not name this audience")
    if now - leeway >= claims.exp and not may_be_expired:
        raise TokenRefused("expired", "exp has passed")
    for name in ("nbf", "iat"):
        if name in raw and _instant(raw, name) > now + leeway:
            raise TokenRefused("not_yet_valid", f"{name} lies in the future")
    return claims


def _text(raw: dict[str, Any], name: str, *, empty_is_fine: bool = False) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not (value or empty_is_fine):
        raise TokenRefused("claims", f"{name} must be text")
    return value


def _instant(raw: dict[str, Any], name: str) -> datetime:
    """Whole seconds only. A fraction, an exponent or text is what a confused or hostile issuer sends."""
    value = raw.get(name)
    if type(value) is not int or not 0 <= value < _YEAR_10000:
        raise TokenRefused("claims", f"{name} must be a number of seconds")
    return datetime.fromtimestamp(value, UTC)


def _audience(raw: dict[str, Any]) -> tuple[str, ...]:
    """`aud` as a tuple; absent is empty, which no expected audience can match."""
    value = raw.get("aud", ())
    names = (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (None,)
    )
    if not all(isinstance(name, str) and name for name in names) or ("aud" in raw and not names):
        raise TokenRefused("claims", "aud must be text or a list of texts")
    return names
