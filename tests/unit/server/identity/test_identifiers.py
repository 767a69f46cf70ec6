"""One field for username, e-mail and phone: every spelling of a name is one name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from innkeeper.server.identity.identifiers import (
    MAX_CHARS,
    email_problem,
    identifiers_of,
    normalise,
    username_problem,
)
from innkeeper.server.model.identifiers import Subject
from innkeeper.server.model.user import User

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def a_user(username: str = "erin", email: str | None = None, phone_number: str | None = None) -> User:
    return User(
        user_id=Subject("u1"),
        username=username,
        email=email,
        phone_number=phone_number,
        created_at=NOON,
        updated_at=NOON,
    )


@pytest.mark.parametrize(
    "spelling", ["erin", "Erin", "ERIN", "  erin ", "ｅｒｉｎ", "ＥＲＩＮ", "\u00a0erin\u3000"]
)
def test_every_spelling_of_a_username_is_one_name(spelling: str) -> None:
    assert normalise(spelling) == "erin"


@pytest.mark.parametrize(
    "spelling", ["ada@exampleco.test", "ADA@ExampleCo.TEST", " ada@exampleco.test", "ada＠exampleco.test"]
)
def test_every_spelling_of_an_email_is_one_name(spelling: str) -> None:
    assert normalise(spelling) == "ada@exampleco.test"


@pytest.mark.parametrize(
    "spelling",
    ["+4930123456", "+49 30 123456", "+49 (30) 123-456", "004930123456", "0049 30/123.456", "＋4930123456"],
)
def test_every_spelling_of_a_phone_number_is_e164(spelling: str) -> None:
    assert normalise(spelling) == "+4930123456"


@pytest.mark.parametrize("text", ["+123", "+0123456789", "00 12", "+1234567890123456", "+ ( )"])
def test_a_phone_number_that_cannot_be_is_nobodys_name(text: str) -> None:
    assert normalise(text) is None


def test_digits_without_a_country_are_no_phone_number() -> None:
    assert normalise("030 123456".replace(" ", "")) == "030123456"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "er in",
        "er\tin",
        "erin\r\nBcc:",
        "erin\0",
        "e\u200brin",
        "\u202eerin",
        "er\u00adin",
        "er\ud800in",
        "er\ue000in",
        "x" * (MAX_CHARS + 1),
        "ﷺ" * 20,
    ],
)
def test_what_cannot_be_seen_or_is_too_long_is_nobodys_name(text: str) -> None:
    assert normalise(text) is None


def test_look_alikes_of_another_script_stay_other_names() -> None:
    assert normalise("еrin") != normalise("erin")  # the first letter is Cyrillic


def test_a_person_signs_in_with_each_of_their_names() -> None:
    user = a_user("Erin", "Erin@ExampleCo.test", "0049 30 123456")
    assert identifiers_of(user) == ("erin", "erin@exampleco.test", "+4930123456")


def test_a_name_that_is_given_twice_is_one_identifier() -> None:
    assert identifiers_of(a_user("erin", "ERIN")) == ("erin",)


@pytest.mark.parametrize("text", ["erin", "Erin.O-Neil_2", "o'neil", "ядвига", "李雷", "00abc", "1234567"])
def test_usernames_of_letters_digits_and_a_few_signs_are_fine(text: str) -> None:
    assert username_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("erin@exampleco.test", "looks_like_email"),
        ("@erin", "looks_like_email"),
        ("erin＠x", "looks_like_email"),
        ("+4930123456", "looks_like_phone"),
        ("004930123456", "looks_like_phone"),
        ("+erin", "looks_like_phone"),
        ("", "not_allowed"),
        ("er in", "not_allowed"),
        ("<script>", "not_allowed"),
        ("erin;drop", "not_allowed"),
        ("x" * 65, "too_long"),
        ("x" * 300, "too_long"),
    ],
)
def test_a_username_cannot_be_taken_for_another_kind_of_name(text: str, problem: str) -> None:
    assert username_problem(text) == problem


@pytest.mark.parametrize(
    "text", ["ada@exampleco.test", "a+tag@x.y", "o'neil@exampleco.test", "李雷@例子.测试", "a@xn--fsq.test"]
)
def test_one_mailbox_is_an_email(text: str) -> None:
    assert email_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "@exampleco.test",
        "ada@",
        "ada@localhost",
        "a@x.com,b@y.com",
        "a@x.com;b@y.com",
        "a@b@c.d",
        "a@x.com\r\nBcc: b@y.com",
        '"a b"@x.com',
        "Ada <a@x.com>",
        "a..b@x.com",
        ".a@x.com",
        "a.@x.com",
        "a@-x.com",
        "a@x..com",
        "a@x.com.",
        "a@[127.0.0.1]",
        "a@x_y.com",
        "x" * 65 + "@x.com",
        "a@" + "x" * 64 + ".com",
    ],
)
def test_LG_14_lists_quotes_headers_and_half_addresses_are_no_email(text: str) -> None:
    assert email_problem(text) == "not_an_email"


def test_an_email_that_is_too_long_is_told_so() -> None:
    assert email_problem("a" * 300 + "@x.com") == "too_long"
