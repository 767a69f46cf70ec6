"""Argon2id: the whole password, one form of it, one cost for everybody."""

from __future__ import annotations

import pytest
from argon2 import extract_parameters

from innkeeper.server.identity.factors import password


@pytest.fixture(scope="module")
def known() -> str:
    return password.hash("plum teapot gravel moon")


def test_the_right_password_is_right_and_others_are_not(known: str) -> None:
    assert password.verify(known, "plum teapot gravel moon")
    assert not password.verify(known, "plum teapot gravel Moon")
    assert not password.verify(known, "plum teapot gravel moon ")
    assert not password.verify(known, "")


def test_the_hash_has_a_salt_of_its_own(known: str) -> None:
    assert password.hash("plum teapot gravel moon") != known


def test_the_parameters_are_those_that_owasp_advises(known: str) -> None:
    parameters = extract_parameters(known)
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert known.startswith("$argon2id$v=19$")


def test_BF_10_the_dummy_hash_costs_what_a_real_one_costs(known: str) -> None:
    assert extract_parameters(password.DUMMY_HASH) == extract_parameters(known)
    assert not password.verify(password.DUMMY_HASH, "")


def test_two_ways_to_type_one_character_are_one_password() -> None:
    known = password.hash("caf\u00e9 au lait ＡＢ")
    assert password.verify(known, "cafe\u0301 au lait AB")


def test_nothing_is_cut_off() -> None:
    known = password.hash("x" * 256)
    assert password.verify(known, "x" * 256)
    assert not password.verify(known, "x" * 257)
    assert not password.verify(known, "x" * 255)


def test_a_hash_of_other_parameters_is_to_be_renewed(known: str) -> None:
    assert not password.needs_rehash(known)
    assert password.needs_rehash(known.replace("m=19456", "m=65536"))


@pytest.mark.parametrize("broken", ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$2b$12$abc"])
def test_a_broken_hash_belongs_to_no_password(broken: str) -> None:
    assert not password.verify(broken, "anything")
    assert not password.needs_rehash(broken)
