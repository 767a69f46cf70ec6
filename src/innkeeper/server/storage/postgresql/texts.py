"""Texts that PostgreSQL cannot hold: none of its rows has one, so whoever asks for one is told that there is none."""

from collections.abc import Iterable

from innkeeper.server.storage.rows import Value


def can_be_held(values: Iterable[Value]) -> bool:
    """No NUL character in them and no half of a surrogate pair. SQLite holds the former, and so does Python."""
    return all(_is_held(value) for value in values if type(value) is str)


def refuse_unheld(values: Iterable[Value]) -> None:
    """Raises ValueError, before PostgreSQL is asked: no flow lets such a text become part of a record's key."""
    if not can_be_held(values):
        raise ValueError("a text with a NUL character or half a character cannot be kept")


def _is_held(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
