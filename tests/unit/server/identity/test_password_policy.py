"""Length and guessability decide about a password; composition does not (NIST SP 800-63B-4)."""

from __future__ import annotations

import pytest

from innkeeper.server.identity.password_policy import problem_with

WORDS = ("erin", "erin@exampleco.test", "Erin Example", "Innkeeper")


def problem(password: str, minimum_length: int = 12) -> str | None:
    return problem_with(password, minimum_length=minimum_length, words=WORDS)


@pytest.mark.parametrize(
    "password",
    [
        "plum teapot gravel moon",
        "vbwopqhzlmtr",
        "пароль из пяти слов дождя",
        "🐙🦊🌵🚲🎻🪁🧭🛶🪵🧲🫖🎈",
        " leading and trailing spaces ",
        "q7" * 3 + "mZ-Lk_9 wX",
        "x8fK2" * 3 + "pl0Qw@z" * 7,
        "4kJ!s0" + "ab c" * 30 + "Zq9",
    ],
)
def test_BF_14_long_unusual_passwords_of_any_characters_are_taken(password: str) -> None:
    assert problem(password) is None


@pytest.mark.parametrize("length", [64, 128, 256])
def test_BF_14_long_passwords_are_taken_up_to_256_characters(length: int) -> None:
    text = "".join(chr(33 + (i * i * 7 + i * 31) % 90) for i in range(length))
    assert problem(text) is None


def test_a_longer_one_is_told_so() -> None:
    assert problem("q" * 257) == "too_long"


def test_a_text_that_grows_beyond_the_limit_is_too_long() -> None:
    assert problem("ﷺ" * 200) == "too_long"


@pytest.mark.parametrize("password", ["", "short", "7 chars", "eleven char"])
def test_a_short_one_is_told_so(password: str) -> None:
    assert problem(password) == "too_short"


def test_a_character_is_a_code_point_after_normalisation() -> None:
    assert problem("🐙🦊🌵🚲🎻🪁🧭🛶🪵🧲🫖") == "too_short"
    assert problem("e\u0301" * 11) == "too_short"


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "123456789012",
        "qwertyuiop[]",
        "aaaaaaaaaaaaaaaa",
        "Password1234",
        "abcdefghijkl",
        "iloveyouiloveyou",
    ],
)
def test_BF_14_what_everybody_tries_first_is_refused(password: str) -> None:
    assert problem(password) == "too_common"


@pytest.mark.parametrize("password", ["12345678", "iloveyou", "football1"])
def test_BF_14_common_ones_are_refused_where_short_ones_are_allowed(password: str) -> None:
    assert problem(password, minimum_length=8) == "too_common"


@pytest.mark.parametrize(
    "password", ["erinerinerin", "Innkeeper-99", "erin@exampleco.test", "ERIN EXAMPLE 1", "ｅｒｉｎ-example"]
)
def test_what_is_long_enough_only_with_the_persons_name_is_refused(password: str) -> None:
    assert problem(password) == "contains_name"


def test_a_long_password_may_mention_a_name() -> None:
    assert problem("erin keeps nine yellow umbrellas") is None


def test_no_composition_is_asked_for() -> None:
    assert problem("nothingbutplainsmallletters") is None
