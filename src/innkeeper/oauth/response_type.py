"""`response_type` (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Types §5): a set of words, in any order."""

from typing import Final

import msgspec

from innkeeper.oauth.errors import UnsupportedResponseType

LEGAL: Final = (
    "code",
    "token",
    "id_token",
    "id_token token",
    "code id_token",
    "code token",
    "code id_token token",
    "none",
)
_BY_WORDS: Final = {frozenset(spelling.split(" ")): spelling for spelling in LEGAL}


class ResponseType(msgspec.Struct, frozen=True):
    """A legal combination, in its registered spelling."""

    value: str

    @classmethod
    def parse(cls, text: str) -> "ResponseType":
        """UnsupportedResponseType: unknown or repeated words, combinations that nobody registered."""
        words = text.split(" ", 3)
        spelling = _BY_WORDS.get(frozenset(words))
        if spelling is None or len(words) != spelling.count(" ") + 1:
            raise UnsupportedResponseType("response_type is not a registered combination")
        return cls(spelling)

    def __contains__(self, word: object) -> bool:
        return word in self.value.split(" ")

    def __str__(self) -> str:
        return self.value
