"""`oauth.bearer`: one header, one token, and a challenge that nobody can break."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.oauth.bearer import bearer_token, challenge
from innkeeper.oauth.errors import InsufficientScope, InvalidRequest, InvalidToken, OAuthError


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc==", "abc=="),
        (" Bearer a.b-c_d~e+f/g= ", "a.b-c_d~e+f/g="),
        ("Bearer " + "x" * 16384, "x" * 16384),
    ],
)
def test_the_token_of_a_well_formed_header_is_returned(header: str, token: str) -> None:
    assert bearer_token([header]) == token


@pytest.mark.parametrize(
    "headers", [[], ["Basic dXNlcjpwYXNz"], ["DPoP abc"], ["Bearerabc"], [""], ["Token Bearer abc"]]
)
def test_without_bearer_credentials_there_is_no_token(headers: list[str]) -> None:
    assert bearer_token(headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer"],
        ["Bearer "],
        ["Bearer a b"],
        ["Bearer a, Bearer b"],
        ["Bearer\tabc"],
        ["Bearer =abc"],
        ["Bearer a=b"],
        ["Bearer abcé"],
        ["Bearer abc\0"],
        ['Bearer "abc"'],
        ["Bearer " + "x" * 100_000],
        ["Bearer a", "Bearer a"],
        ["Bearer a", "Basic dXNlcjpwYXNz"],
        ["Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"],
    ],
)
def test_malformed_or_several_headers_are_refused(headers: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        bearer_token(headers)


def test_a_challenge_for_missing_credentials_names_no_error() -> None:
    assert challenge(None) == 'Bearer realm="OAuth"'
    assert challenge(None, realm="timesheets") == 'Bearer realm="timesheets"'


def test_a_challenge_says_what_was_wrong_and_what_is_needed() -> None:
    assert challenge(InvalidToken("the token has expired")) == (
        'Bearer realm="OAuth", error="invalid_token", error_description="the token has expired"'
    )
    assert challenge(
        InsufficientScope("more is needed"), scope="read:timesheets approve:timesheets"
    ).endswith('scope="read:timesheets approve:timesheets"')


@given(st.text(), st.text(), st.text())
def test_no_text_breaks_out_of_the_challenge(description: str, realm: str, scope: str) -> None:
    error: OAuthError = InvalidToken(description)
    value = challenge(error, realm=realm, scope=scope)
    assert re.fullmatch(r'Bearer (?:[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"(?:, )?)+', value)
    assert value.count('"') in (6, 8)
