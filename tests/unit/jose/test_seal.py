"""`jose.seal`: nobody opens, changes or moves a sealed value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.jose.errors import SealBroken
from innkeeper.jose.seal import SALT_BYTES, open_sealed, seal

KEY = bytes(range(32))
SALT = b"s" * SALT_BYTES


@given(st.binary(max_size=500), st.binary(max_size=50), st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES))
def test_what_was_sealed_comes_back(plaintext: bytes, associated: bytes, salt: bytes) -> None:
    sealed = seal(KEY, plaintext, associated=associated, salt=salt)
    assert sealed.startswith(salt)
    assert len(sealed) == SALT_BYTES + len(plaintext) + 16
    assert open_sealed(KEY, sealed, associated=associated) == plaintext


def test_every_single_changed_bit_breaks_the_seal() -> None:
    sealed = seal(KEY, b"parameters", associated=b"browser", salt=SALT)
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBroken):
            open_sealed(KEY, bytes(changed), associated=b"browser")


def test_every_truncation_breaks_the_seal() -> None:
    sealed = seal(KEY, b"parameters", associated=b"browser", salt=SALT)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_sealed(KEY, sealed[:length], associated=b"browser")


def test_another_key_or_another_context_does_not_open_it() -> None:
    sealed = seal(KEY, b"parameters", associated=b"browser 1", salt=SALT)
    with pytest.raises(SealBroken):
        open_sealed(bytes(32), sealed, associated=b"browser 1")
    with pytest.raises(SealBroken):
        open_sealed(KEY, sealed, associated=b"browser 2")


def test_another_salt_gives_another_keystream() -> None:
    one = seal(KEY, bytes(64), associated=b"", salt=SALT)[SALT_BYTES:]
    other = seal(KEY, bytes(64), associated=b"", salt=b"t" * SALT_BYTES)[SALT_BYTES:]
    assert one != other


def test_wrong_sizes_of_key_and_salt_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="salt"):
        seal(KEY, b"", associated=b"", salt=b"short")
    with pytest.raises(ValueError, match="key"):
        seal(b"short", b"", associated=b"", salt=SALT)
