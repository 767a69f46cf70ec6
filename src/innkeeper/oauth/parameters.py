"""Parameters of a request, from a query, a form or a flat JSON object (RFC 6749 §3.1, §3.2, App. A and B)."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

import msgspec

from innkeeper.jose import strict_json
from innkeeper.oauth.errors import InvalidRequest

MAX_PARAMETERS_BYTES: Final = 64 * 1024
MAX_PARAMETERS: Final = 100
MAX_NAME_CHARS: Final = 128
MAX_VALUE_CHARS: Final = 32 * 1024
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HEX = "0123456789abcdefABCDEF"
_ASCII = {high + low: chr(int(high + low, 16)) for high in "01234567" for low in _HEX}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# `state` is the client's own text and comes back unchanged, line breaks included.
_CONTROL_IN_STATE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Parameters(msgspec.Struct, frozen=True):
    """What was sent, in order. Repetitions are recorded, not judged: that is for the endpoint."""

    pairs: tuple[tuple[str, str], ...]
    repeated: frozenset[str]
    first: dict[str, str]

    @classmethod
    def from_query(cls, raw: bytes) -> "Parameters":
        """From the part of the request line after `?`."""
        return _record(_urlencoded(raw))

    @classmethod
    def from_form(cls, raw: bytes) -> "Parameters":
        """From an application/x-www-form-urlencoded body."""
        return _record(_urlencoded(raw))

    @classmethod
    def from_json(cls, raw: bytes) -> "Parameters":
        """From a body that is one flat JSON object of strings."""
        _check_size(raw)
        try:
            pairs = strict_json.flat_pairs(raw)
        except ValueError:
            raise InvalidRequest(
                "the body must be one flat JSON object whose values are all strings"
            ) from None
        return cls.from_pairs(pairs)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> "Parameters":
        """From pairs that are decoded already, under the same limits."""
        listed = list(pairs)
        if len(listed) > MAX_PARAMETERS:
            raise InvalidRequest(f"more than {MAX_PARAMETERS} parameters")
        for name, value in listed:
            _check_text(name, value)
        return _record(listed)

    def get(self, name: str) -> str | None:
        """The value, the first one of a repeated name. An empty value is an absent one (RFC 6749 §3.1)."""
        return self.first.get(name) or None

    def require(self, name: str) -> str:
        value = self.first.get(name)
        if not value:
            raise InvalidRequest(f"the parameter {name} is missing")
        return value

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.first)

    def __repr__(self) -> str:
        """Names only: values are codes, secrets and passwords."""
        return f"Parameters(names={list(self.first)!r})"

    def __hash__(self) -> int:
        return hash(self.pairs)


def _record(pairs: list[tuple[str, str]]) -> Parameters:
    first = dict(pairs)
    if len(first) == len(pairs):
        return Parameters(tuple(pairs), _NONE, first)
    first = dict(reversed(pairs))
    seen: set[str] = set()
    repeated = frozenset(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return Parameters(tuple(pairs), repeated, first)


_NONE: Final[frozenset[str]] = frozenset()


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_PARAMETERS_BYTES:
        raise InvalidRequest(f"more than {MAX_PARAMETERS_BYTES} bytes of parameters")


def _urlencoded(raw: bytes) -> list[tuple[str, str]]:
    """On the road of every token request: the common case (printable, not encoded) does no work per value."""
    _check_size(raw)
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise InvalidRequest(f"more than {MAX_PARAMETERS} parameters")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("the parameters are not UTF-8") from None
    is_plain = text.isprintable()
    pairs = []
    for piece in text.split("&"):
        if not piece:
            continue
        name, _, value = piece.partition("=")
        if "%" in piece or "+" in piece:
            name, value = _unescape(name), _unescape(value)
            _check_text(name, value)
        elif not is_plain or len(name) > MAX_NAME_CHARS or len(value) > MAX_VALUE_CHARS:
            _check_text(name, value)
        pairs.append((name, value))
    return pairs


def _unescape(text: str) -> str:
    """Form decoding of one name or value: `+` is a space, `%XX` a byte of UTF-8."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    start, *rest = text.split("%")
    try:
        return start + "".join([_ASCII[piece[:2]] + piece[2:] for piece in rest])
    except KeyError:
        return _unescape_any(text)


def _unescape_any(text: str) -> str:
    """The slower road of the same: text beyond ASCII, and what cannot be decoded."""
    if _BROKEN_PERCENT.search(text):
        raise InvalidRequest("a percent sign in the parameters is not followed by two hexadecimal digits")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("the parameters are not UTF-8") from None


def _check_text(name: str, value: str) -> None:
    if len(name) > MAX_NAME_CHARS:
        raise InvalidRequest(f"a parameter's name is longer than {MAX_NAME_CHARS} characters")
    if len(value) > MAX_VALUE_CHARS:
        raise InvalidRequest(f"the parameter {name} is longer than {MAX_VALUE_CHARS} characters")
    if not name.isprintable() and _CONTROL.search(name):
        raise InvalidRequest("a parameter's name contains a control character")
    if not value.isprintable() and (_CONTROL_IN_STATE if name == "state" else _CONTROL).search(value):
        raise InvalidRequest(f"the parameter {name} contains a control character")
