"""Foreign text made safe to look at: nothing invisible, no turned direction, no mixed alphabets (V10.4.7).

Escaping is Jinja's work. This is about what a person believes to read when an app has chosen its own name.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_LONGEST_CHARS: Final = 200
_MOST_MARKS_IN_A_ROW: Final = 3

# Used by honest writing systems and emoji, without a look of their own: dropped.
_JOINERS: Final = frozenset("\u00ad\u034f\u061c\u200c\u200d\u200e\u200f") | {
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}
# Letters and symbols that draw nothing: as good as invisible, so shown as such.
_BLANKS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# Format, control, surrogate, private: bidi overrides, isolates, zero-width spaces, tag characters.
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Alphabets with letters that pass for Latin ones.
_LOOKALIKE_ALPHABETS: Final = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ", "LISU ")
_WORD: Final = re.compile(r"\w+")
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?")


def visible(text: str, longest_chars: int = _LONGEST_CHARS) -> str:
    """One line of text, cut to a bound. What was hidden in it shows as one replacement character."""
    bounded = unicodedata.normalize("NFC", text[: longest_chars * 4])
    single_line = " ".join(_without_hidden(bounded).split())
    if len(single_line) > longest_chars:
        return single_line[: longest_chars - 1] + "…"
    return single_line


def plain(text: str, longest_chars: int = _LONGEST_CHARS) -> str:
    """`visible`, and no word pretends to be Latin: for the names that apps and people gave themselves."""
    return _shown_once(_WORD.sub(_single_alphabet, visible(text, longest_chars)))


def host(name: str) -> str:
    """A host as the network knows it: other alphabets in their `xn--` form, so that no lookalike can pose."""
    try:
        encoded = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return plain(name)
    return encoded if _HOST.fullmatch(encoded.lower()) else plain(encoded)


def link_target(url: str | None) -> str | None:
    """The URL if a link may carry it: http, https, or a path on this server; else None (XS-05)."""
    if not url or not url.isascii() or any(character <= " " or character in '\\"<>' for character in url):
        return None
    if url.startswith("/"):
        return None if url.startswith("//") else url
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def _without_hidden(text: str) -> str:
    kept: list[str] = []
    marks_in_a_row = 0
    for character in text:
        category = unicodedata.category(character)
        marks_in_a_row = marks_in_a_row + 1 if category in ("Mn", "Me") else 0
        if character in _JOINERS or marks_in_a_row > _MOST_MARKS_IN_A_ROW:
            continue
        kept.append(_shown(character, category))
    return _shown_once("".join(kept))


def _shown_once(text: str) -> str:
    """A run of what was hidden takes the room of one."""
    return re.sub(f"{REPLACEMENT}+", REPLACEMENT, text)


def _shown(character: str, category: str) -> str:
    if category.startswith("Z") or character in "\t\n\r\v\f":
        return " "
    return REPLACEMENT if category in _HIDDEN_CATEGORIES or character in _BLANKS else character


def _single_alphabet(word: re.Match[str]) -> str:
    """A word that mixes Latin with a lookalike alphabet shows its strangers: Cyrillic in `paypal`."""
    letters = word.group()
    if letters.isascii():
        return letters
    names = [unicodedata.name(letter, "") for letter in letters]
    if not any(name.startswith("LATIN ") for name in names):
        return letters
    return "".join(
        REPLACEMENT if name.startswith(_LOOKALIKE_ALPHABETS) else letter
        for letter, name in zip(letters, names, strict=True)
    )
