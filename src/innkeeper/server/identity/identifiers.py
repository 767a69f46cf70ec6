"""The names a person signs in with: one field takes username, e-mail or phone number, in one normal form.

Every spelling of a name must reach the same account and the same counter of attempts (BF-05), so everything
that stores, looks up or counts an identifier goes through `normalise`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from innkeeper.server.identity.directories import qualified
from innkeeper.server.model.user import User

MAX_CHARS: Final = 254
MAX_USERNAME_CHARS: Final = 64
MAX_LOCAL_PART_CHARS: Final = 64
_PHONE_FORM = re.compile(r"(?:\+|00)[0-9 ().\-/]+")
_NOT_DIGIT = re.compile(r"[^0-9]")
_E164 = re.compile(r"[1-9][0-9]{6,14}")
_USERNAME_SIGNS: Final = frozenset("._-'")
_LOCAL_PART_SIGNS: Final = frozenset("!#$%&'*+-/=?^_`{|}~.")
_MAX_ROUNDS: Final = 4


def normalise(text: str) -> str | None:
    """NFKC, case-folded, trimmed; a phone number as E.164. None for what can be nobody's name."""
    folded = _fold(text)
    if not folded or len(folded) > MAX_CHARS:
        return None
    if _PHONE_FORM.fullmatch(folded):
        return _phone(folded)
    return folded if all(_may_stand(char) for char in folded) else None


def identifiers_of(user: User) -> tuple[str, ...]:
    """Everything this person may type to sign in, normalised, each once, under their directory."""
    given = (user.username, user.email, user.phone_number)
    normal = (normalise(text) for text in given if text is not None)
    return tuple(dict.fromkeys(qualified(user.directory, text) for text in normal if text is not None))


def username_problem(text: str) -> str | None:
    """A message key, or None. What looks like an e-mail or a phone number could take another's place."""
    normal = normalise(text)
    if normal is None:
        return "too_long" if len(text) > MAX_USERNAME_CHARS else "not_allowed"
    if "@" in normal:
        return "looks_like_email"
    if normal.startswith("+"):
        return "looks_like_phone"
    if len(normal) > MAX_USERNAME_CHARS:
        return "too_long"
    return None if all(_is_word(char) or char in _USERNAME_SIGNS for char in normal) else "not_allowed"


def email_problem(text: str) -> str | None:
    """A message key, or None: one mailbox, no list, no quoting, no display name (LG-14), in linear time."""
    normal = normalise(text)
    if normal is None:
        return "too_long" if len(text) > MAX_CHARS else "not_an_email"
    local, at, domain = normal.partition("@")
    is_mailbox = bool(at) and _is_local_part(local) and _is_domain(domain)
    return None if is_mailbox else "not_an_email"


def domain_of_addresses(text: str) -> str | None:
    """The normal form of what may follow the `@` of an address; None for anything else."""
    folded = _fold(text)
    is_domain = bool(folded) and all(_may_stand(char) for char in folded) and _is_domain(folded)
    return folded if is_domain else None


def _fold(text: str) -> str:
    """To a fixed point: case folding can undo NFKC, and NFKC can bring white space to an end of the text."""
    if len(text) > MAX_CHARS:
        return ""
    for _ in range(_MAX_ROUNDS):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
        if folded == text:
            return folded
        if len(folded) > MAX_CHARS:
            return ""
        text = folded
    return ""


def _phone(text: str) -> str | None:
    digits = _NOT_DIGIT.sub("", text)
    number = digits[2:] if text.startswith("00") else digits
    return "+" + number if _E164.fullmatch(number) else None


def _may_stand(char: str) -> bool:
    """No control, format, private or unassigned character and no white space: nothing a reader cannot see."""
    return unicodedata.category(char)[0] not in "CZ"


def _is_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def _is_local_part(local: str) -> bool:
    if not local or len(local) > MAX_LOCAL_PART_CHARS or ".." in local or local[0] == "." or local[-1] == ".":
        return False
    return all(_is_word(char) or char in _LOCAL_PART_SIGNS for char in local)


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return len(labels) > 1 and all(_is_label(label) for label in labels)


def _is_label(label: str) -> bool:
    if not label or len(label) > 63 or label[0] == "-" or label[-1] == "-":
        return False
    return all(_is_word(char) or char == "-" for char in label)
