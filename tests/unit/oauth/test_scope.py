"""`oauth.scope`: an ordered set of words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth.errors import InvalidScope
from innkeeper.oauth.scope import EMPTY, MAX_SCOPE_CHARS, MAX_WORDS, Scope

word = st.text([chr(n) for n in range(0x21, 0x7F) if chr(n) not in '"\\'], min_size=1, max_size=8)
scopes = st.lists(word, max_size=10).map(Scope)


@given(scopes)
def test_what_is_printed_is_parsed_again(scope: Scope) -> None:
    assert Scope.parse(str(scope)) == scope
    assert list(Scope.parse(str(scope))) == list(scope)


@given(scopes, scopes)
def test_the_operators_are_those_of_sets_and_keep_order(one: Scope, other: Scope) -> None:
    assert set(one & other) == set(one) & set(other)
    assert set(one | other) == set(one) | set(other)
    assert set(one - other) == set(one) - set(other)
    assert (one <= other) == (set(one) <= set(other))
    assert (one & other) <= one <= (one | other)
    assert [w for w in one if w in (one & other)] == list(one & other)
    assert list(one | other)[: len(one)] == list(one)
    assert (one == other) == (set(one) == set(other))
    if one == other:
        assert hash(one) == hash(other)


@pytest.mark.parametrize("nothing", [None, "", " ", "   "])
def test_nothing_sent_is_the_empty_scope(nothing: str | None) -> None:
    scope = Scope.parse(nothing)
    assert scope == EMPTY
    assert not scope
    assert str(scope) == ""


def test_order_of_first_appearance_is_kept_and_repetition_is_not() -> None:
    scope = Scope.parse(" openid read:timesheets openid batch:upload ")
    assert str(scope) == "openid read:timesheets batch:upload"
    assert len(scope) == 3
    assert "openid" in scope
    assert "OpenID" not in scope
    assert repr(scope) == "Scope.parse('openid read:timesheets batch:upload')"


@pytest.mark.parametrize(
    "text",
    ["a  b", 'a"b', "a\\b", "a\tb", "a\nb", "a,\u00e9", "\u00a0", "a\u2003b", "a\0", "a\x7f", "\ta", "a\n"],
)
def test_characters_outside_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        Scope.parse(text)


@pytest.mark.parametrize("words", [[""], ["a b"], ["a", "b "], ['"']])
def test_a_word_is_checked_wherever_it_comes_from(words: list[str]) -> None:
    with pytest.raises(InvalidScope):
        Scope(words)


def test_DO_04_the_limits_are_exact() -> None:
    assert len(Scope.parse(" ".join(f"w{n}" for n in range(MAX_WORDS)))) == MAX_WORDS
    assert len(Scope.parse("w" * MAX_SCOPE_CHARS)) == 1
    for text in (
        " ".join(f"w{n}" for n in range(MAX_WORDS + 1)),
        "w" * (MAX_SCOPE_CHARS + 1),
        "w " * 100_000,
        " " * 100_000,
        "w" * 1_000_000,
    ):
        with pytest.raises(InvalidScope):
            Scope.parse(text)


def test_a_scope_is_not_equal_to_its_text() -> None:
    assert Scope.parse("a") != "a"
    assert len({Scope.parse("a b"), Scope.parse("b a")}) == 1
