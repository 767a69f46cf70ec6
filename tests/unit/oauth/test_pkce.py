"""`oauth.pkce`: S256, and nothing that looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth import pkce
from innkeeper.oauth.errors import InvalidRequest

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
verifiers = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=43, max_size=128
)


def test_the_example_of_rfc_7636_appendix_b() -> None:
    assert pkce.s256(VERIFIER) == CHALLENGE
    assert pkce.verify(VERIFIER, CHALLENGE)
    pkce.check_challenge(CHALLENGE, "S256")


@given(verifiers, verifiers)
def test_a_verifier_proves_its_own_challenge_and_no_other(one: str, other: str) -> None:
    pkce.check_challenge(pkce.s256(one), "S256")
    assert pkce.verify(one, pkce.s256(one))
    assert pkce.verify(one, pkce.s256(other)) == (one == other)


@pytest.mark.parametrize("method", [None, "", "plain", "s256", "S512", "S256 ", "none"])
def test_PK_02_every_other_method_is_refused_and_an_absent_one_too(method: str | None) -> None:
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(CHALLENGE, method)


def test_PK_05_a_verifier_that_is_the_challenge_itself_is_wrong() -> None:
    assert not pkce.verify(CHALLENGE, CHALLENGE)


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        CHALLENGE[:-1],
        CHALLENGE + "A",
        CHALLENGE + "=",
        CHALLENGE[:-1] + "=",
        CHALLENGE[:-1] + "+",
        CHALLENGE[:-1] + "/",
        CHALLENGE[:-1] + " ",
        CHALLENGE[:-1] + "\n",
        CHALLENGE + "\n",
        CHALLENGE[:-1] + "é",
        "A" * 10_000,
    ],
)
def test_PK_07_a_challenge_of_another_length_or_alphabet_is_refused(challenge: str) -> None:
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(challenge, "S256")


@pytest.mark.parametrize(
    "verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "é", "a" * 42 + " ", "a" * 43 + "\n", "a" * 42 + "="]
)
def test_a_malformed_verifier_is_never_right(verifier: str) -> None:
    challenge = pkce.s256(verifier) if verifier.isascii() else CHALLENGE
    assert not pkce.verify(verifier, challenge)


def test_only_s256_is_published() -> None:
    assert pkce.CODE_CHALLENGE_METHODS == ("S256",)
