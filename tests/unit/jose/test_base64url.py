"""`jose.base64url`: one text for one value."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.jose import base64url


@given(st.binary(max_size=200))
def test_encoding_agrees_with_the_standard_library_and_comes_back(data: bytes) -> None:
    text = base64url.encode(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert base64url.encode_bytes(data) == text.encode()
    assert base64url.decode(text) == data


@pytest.mark.parametrize(
    "text", ["AA==", "AA=", "A", "AAAAA", "A+AA", "A/AA", "AA\n", " AA", "AÀ", "A.AA", "QUJD\x00", "QQ\u200b"]
)
def test_padding_foreign_characters_and_impossible_lengths_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        base64url.decode(text)


def test_of_all_last_characters_only_the_canonical_one_is_accepted() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for last in alphabet:
        try:
            base64url.decode("Q" + last)
        except ValueError:
            continue
        accepted.append(last)
    assert accepted == ["A", "Q", "g", "w"]
