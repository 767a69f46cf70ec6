"""What a device shows and what a person types."""

from __future__ import annotations

import pytest

from innkeeper.server.config import SettingsRefused, parse
from innkeeper.server.protocol import user_code
from tests.world import ISSUER


@pytest.mark.parametrize(
    ("alphabet", "length", "form"),
    [
        ("letters", 8, "BBBB-BBBB"),
        ("letters", 9, "BBB-BBB-BBB"),
        ("letters", 10, "BBBB-BBBB-BB"),
        ("letters", 12, "BBBB-BBBB-BBBB"),
        ("digits", 9, "000-000-000"),
    ],
)
def test_a_code_is_shown_in_groups(alphabet: str, length: int, form: str) -> None:
    code = user_code.draw(bytes(32), alphabet=alphabet, length=length)
    assert user_code.shown(code) == form
    assert user_code.folded(form.lower().replace("-", " ")) == code


def test_every_letter_can_stand_everywhere() -> None:
    codes = [
        user_code.draw(number.to_bytes(32, "big"), alphabet="letters", length=2) for number in range(400)
    ]
    assert len(set(codes)) == 400


def test_letters_hold_no_vowel_and_no_digit() -> None:
    assert not set(user_code.LETTERS) & set("AEIOUY0123456789")
    assert len(user_code.LETTERS) == 20


@pytest.mark.parametrize(
    "device",
    [
        {"length": 7},
        {"length": 17},
        {"alphabet": "digits", "length": 8},
        {"alphabet": "runes"},
    ],
)
def test_a_code_that_could_be_guessed_is_refused(device: dict[str, object]) -> None:
    with pytest.raises(SettingsRefused, match="device"):
        parse({"issuer": ISSUER, "device": device})


def test_nine_digits_are_enough() -> None:
    assert parse({"issuer": ISSUER, "device": {"alphabet": "digits", "length": 9}}).device.length == 9


def test_a_device_polls_no_faster_than_each_second() -> None:
    with pytest.raises(SettingsRefused, match="device_interval_s"):
        parse({"issuer": ISSUER, "lifetimes": {"device_interval_s": 0}})
