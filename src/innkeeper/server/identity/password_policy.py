"""Which passwords are refused (NIST SP 800-63B-4 §3.1.1.2): the short and the guessable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

MAX_CHARS: Final = 256
MIN_NAME_CHARS: Final = 3
_SCORED_CHARS: Final = 72  # zxcvbn raises beyond that
_COMMON_SCORE: Final = 2  # below: fewer than a million guesses
_NOT_WORD = re.compile(r"[\W_]+")


def problem_with(password: str, *, minimum_length: int, words: Sequence[str]) -> str | None:
    """A message key, or None: `too_short`, `too_long`, `too_common`, `contains_name`.

    `words` name the person and the service; what is left of the password without them must be long enough.
    A character is a code point after NFKC, the form in which passwords are hashed.
    """
    if len(password) > MAX_CHARS:
        return "too_long"
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < minimum_length:
        return "too_short"
    if len(normal) > MAX_CHARS:
        return "too_long"
    names = _names(words)
    folded = normal.casefold()
    rest = _without(folded, names)
    if rest != folded and len(rest) < minimum_length:
        return "contains_name"
    return "too_common" if _score(normal, names) < _COMMON_SCORE else None


def _names(words: Sequence[str]) -> list[str]:
    """The words and their parts, longest first, so that a whole address goes before its local part."""
    folded = [unicodedata.normalize("NFKC", word[:MAX_CHARS]).casefold() for word in words]
    parts = {part for word in folded for part in (word, *_NOT_WORD.split(word))}
    return sorted((part for part in parts if len(part) >= MIN_NAME_CHARS), key=len, reverse=True)


def _without(folded: str, names: Sequence[str]) -> str:
    for name in names:
        folded = folded.replace(name, "")
    return folded


def _score(password: str, names: Sequence[str]) -> int:
    from zxcvbn import zxcvbn  # its word lists take 40 ms to load: only who sets a password pays

    return int(zxcvbn(password[:_SCORED_CHARS], user_inputs=list(names))["score"])
