"""User codes: what a device shows and a person types (RFC 8628 §6.1)."""

from typing import Final

LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; no digits, so nothing to mistake for one."""
DIGITS: Final = "0123456789"
RANDOM_BYTES: Final = 32
_ALPHABETS: Final = {"letters": LETTERS, "digits": DIGITS}
# Nothing else is forgiven: look-alikes of other alphabets are other letters (DV-11).
_FOLDED: Final = str.maketrans(
    {"-": None, " ": None} | {chr(c): chr(c - 32) for c in range(ord("a"), ord("z") + 1)}
)


def draw(random: bytes, *, alphabet: str, length: int) -> str:
    """From at least 32 fresh bytes, so that every code is as likely as any other, but for 2^-180."""
    letters = _ALPHABETS[alphabet]
    number, drawn = int.from_bytes(random, "big"), ""
    for _ in range(length):
        number, index = divmod(number, len(letters))
        drawn += letters[index]
    return drawn


def shown(code: str) -> str:
    """In groups of three or four, as in `BCDF-GHJK`."""
    size = 3 if len(code) % 3 == 0 and len(code) % 4 else 4
    return "-".join(code[start : start + size] for start in range(0, len(code), size))


def folded(typed: str) -> str:
    """What was meant: hyphens and spaces do not count, nor do small letters."""
    return typed.translate(_FOLDED)
