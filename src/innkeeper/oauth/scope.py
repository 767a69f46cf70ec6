"""Scope (RFC 6749 §3.3 and Appendix A.4): an ordered set of case-sensitive words, separated by one space."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from innkeeper.oauth.errors import InvalidScope

MAX_SCOPE_CHARS: Final = 8 * 1024
MAX_WORDS: Final = 100
MAX_REMEMBERED_CHARS: Final = 256
_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class Scope:
    """Immutable. Equal when the words are the same in any order; printed in the order of first appearance."""

    __slots__ = ("_text", "_words")
    _words: dict[str, None]
    _text: str | None

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words = dict.fromkeys(words)
        self._text = None
        for word in self._words:
            if _WORD.fullmatch(word) is None:
                raise InvalidScope("scope has an empty word or a character that is not allowed")

    @classmethod
    def parse(cls, text: str | None) -> Scope:
        """From the wire; absent is empty. Spaces at the ends are forgiven, double ones are not."""
        if not text:
            return EMPTY
        # Sizes first: a hundred thousand words must cost nothing (CVE-2026-4634).
        if len(text) > MAX_SCOPE_CHARS:
            raise InvalidScope(f"scope is longer than {MAX_SCOPE_CHARS} characters")
        return _parsed(text) if len(text) <= MAX_REMEMBERED_CHARS else _parsed.__wrapped__(text)

    @classmethod
    def of(cls, words: tuple[str, ...]) -> Scope:
        """Of the words of a record, which come again with every request."""
        return _of_tuple(words)

    @classmethod
    def _of_valid(cls, words: Iterable[str]) -> Scope:
        """Of words that are in a scope already."""
        scope = object.__new__(cls)
        scope._words = dict.fromkeys(words)
        scope._text = None
        return scope

    def __str__(self) -> str:
        if self._text is None:
            self._text = " ".join(self._words)
        return self._text

    def __repr__(self) -> str:
        return f"Scope.parse({str(self)!r})"

    def __contains__(self, word: object) -> bool:
        return word in self._words

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and self._words.keys() == other._words.keys()

    def __hash__(self) -> int:
        return hash(frozenset(self._words))

    def __and__(self, other: Scope) -> Scope:
        return Scope._of_valid([word for word in self._words if word in other._words])

    def __or__(self, other: Scope) -> Scope:
        return Scope((*self._words, *other._words))

    def __sub__(self, other: Scope) -> Scope:
        return Scope._of_valid([word for word in self._words if word not in other._words])

    def __le__(self, other: Scope) -> bool:
        return self._words.keys() <= other._words.keys()


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Scope:
    """Clients ask for the same few scopes again and again; what is refused is not remembered."""
    stripped = text.strip(" ")
    if stripped.count(" ") >= MAX_WORDS:
        raise InvalidScope(f"scope has more than {MAX_WORDS} words")
    return Scope(stripped.split(" ")) if stripped else EMPTY


@lru_cache(maxsize=1024)
def _of_tuple(words: tuple[str, ...]) -> Scope:
    return Scope(words)


EMPTY: Final = Scope()
