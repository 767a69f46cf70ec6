"""Which counters an attempt counts on, and that they tell nobody's name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from innkeeper.server.config import SignInLimits
from innkeeper.server.identity.lockout import address_group, limits

SETTINGS = SignInLimits(
    attempts_per_address_and_account=3, attempts_per_account=30, attempts_per_address=300, window_s=60
)
KEY = b"k" * 32


def keys_of(identifier: str, address: str, key: bytes = KEY) -> tuple[bytes, ...]:
    return tuple(limit.key for limit in limits(identifier, address, SETTINGS, key))


def test_an_attempt_counts_on_the_pair_the_account_and_the_address() -> None:
    counted = limits("erin", "192.0.2.1", SETTINGS, KEY)
    assert [limit.attempts for limit in counted] == [3, 30, 300]
    assert {limit.window for limit in counted} == {timedelta(seconds=60)}
    assert len({limit.key for limit in counted}) == 3


def test_BF_02_from_another_address_the_account_stays_the_same() -> None:
    here, there = keys_of("erin", "192.0.2.1"), keys_of("erin", "192.0.2.2")
    assert here[1] == there[1]
    assert here[0] != there[0]
    assert here[2] != there[2]


def test_at_another_account_the_address_stays_the_same() -> None:
    erin, mona = keys_of("erin", "192.0.2.1"), keys_of("mona", "192.0.2.1")
    assert erin[2] == mona[2]
    assert erin[0] != mona[0]
    assert erin[1] != mona[1]


def test_by_default_no_account_is_guessed_at_more_than_a_hundred_times() -> None:
    assert SignInLimits().attempts_per_account <= 100


def test_keys_hold_no_name_and_depend_on_the_secret() -> None:
    plain = keys_of("erin", "192.0.2.1")
    assert all(len(key) == 32 and b"erin" not in key for key in plain)
    assert not set(plain) & set(keys_of("erin", "192.0.2.1", b"l" * 32))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8:1:2::1", "2001:0DB8:0001:0002::9"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_BF_07_addresses_of_one_household_are_one(one: str, other: str) -> None:
    assert address_group(one) == address_group(other)
    assert keys_of("erin", one) == keys_of("erin", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("192.0.2.1", "192.0.2.2"), ("2001:db8:1:2::1", "2001:db8:1:3::1"), ("::1", "192.0.2.1")],
)
def test_others_are_others(one: str, other: str) -> None:
    assert address_group(one) != address_group(other)


@pytest.mark.parametrize("text", ["", "' OR 1=1", "unknown", "192.0.2.1, 192.0.2.2", "x" * 1000])
def test_what_is_no_address_is_one_group(text: str) -> None:
    assert address_group(text) == "unknown"
