"""Which language a page speaks: `ui_locales` (OIDC §3.1.2.1), else Accept-Language (RFC 9110 §12.5.4)."""

from __future__ import annotations

import re
from typing import Final, Literal

LOCALES: Final = ("en", "de", "ar")
"""The first is the language of the source and the last resort."""

_RIGHT_TO_LEFT: Final = frozenset({"ar"})
_LONGEST_HEADER_CHARS: Final = 1024
_MOST_RANGES: Final = 16
_LANGUAGE_RANGE: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8}")
_QUALITY: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def choose(ui_locales: str | None, accept_language: str | None) -> str:
    """The best of `LOCALES`; never fails, whatever a browser or an app sends."""
    wanted = _ui_locales_ranges(ui_locales or "") + _accept_language_ranges(accept_language or "")
    for language_range in wanted:
        found = _lookup(language_range)
        if found is not None:
            return found
    return LOCALES[0]


def direction(locale: str) -> Literal["ltr", "rtl"]:
    """The `dir` of the page."""
    return "rtl" if locale in _RIGHT_TO_LEFT else "ltr"


def _ui_locales_ranges(ui_locales: str) -> list[str]:
    return ui_locales[:_LONGEST_HEADER_CHARS].split()[:_MOST_RANGES]


def _accept_language_ranges(header: str) -> list[str]:
    """Ranges by falling quality; equal ones keep their order, `q=0` means "not this one"."""
    weighed: list[tuple[float, str]] = []
    for item in header[:_LONGEST_HEADER_CHARS].split(",")[:_MOST_RANGES]:
        language_range, _, parameter = item.partition(";")
        quality = _quality(parameter.strip())
        if quality > 0:
            weighed.append((quality, language_range.strip()))
    weighed.sort(key=lambda pair: pair[0], reverse=True)
    return [language_range for _, language_range in weighed]


def _quality(parameter: str) -> float:
    if not parameter:
        return 1.0
    match = _QUALITY.fullmatch(parameter)
    return float(match.group(1)) if match else 0.0


def _lookup(language_range: str) -> str | None:
    """Cut subtags from the right until one of ours is left (RFC 4647 §3.4): `de-Latn-AT` becomes `de`."""
    if not _LANGUAGE_RANGE.fullmatch(language_range):
        return None
    subtags = language_range.lower().split("-")
    while subtags:
        if "-".join(subtags) in LOCALES:
            return "-".join(subtags)
        subtags.pop()
    return None
