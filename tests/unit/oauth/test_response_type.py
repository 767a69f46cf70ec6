"""`oauth.response_type`: the registered combinations, in any order."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from innkeeper.oauth.errors import UnsupportedResponseType
from innkeeper.oauth.response_type import LEGAL, ResponseType


@pytest.mark.parametrize("legal", LEGAL)
def test_every_order_of_words_is_the_same_response_type(legal: str) -> None:
    for words in permutations(legal.split(" ")):
        parsed = ResponseType.parse(" ".join(words))
        assert str(parsed) == parsed.value == legal
        assert all(word in parsed for word in words)


def test_no_other_combination_of_the_words_is_legal() -> None:
    legal = {frozenset(spelling.split(" ")) for spelling in LEGAL}
    for words in product(("code", "token", "id_token", "none", ""), repeat=3):
        if len(set(words)) == 3 and set(words) in legal:
            continue
        with pytest.raises(UnsupportedResponseType):
            ResponseType.parse(" ".join(words))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "code code",
        "code  id_token",
        " code",
        "code ",
        "Code",
        "code,token",
        "code\tid_token",
        "x" * 10_000,
    ],
)
def test_repeated_unknown_and_badly_spaced_words_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedResponseType):
        ResponseType.parse(text)
