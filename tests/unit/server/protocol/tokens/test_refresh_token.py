"""The text of a refresh token: one for each family and generation, and nothing else parses."""

from __future__ import annotations

import pytest

from innkeeper.jose import base64url
from innkeeper.jose.hashes import sha256
from innkeeper.server.protocol.tokens.refresh_token import MAX_GENERATION, RefreshToken, parse

TOKEN = RefreshToken(mac_key_id=1, order=b"o" * 8, random=b"r" * 32, generation=7)
MAC = b"m" * 32
TEXT = TOKEN.text(MAC)


def test_what_was_made_is_read_again() -> None:
    assert parse(TEXT) == (TOKEN, MAC)
    assert TEXT.startswith("ik_rt_") and len(TEXT) == 110


def test_the_store_sees_only_the_digest_of_the_random_part() -> None:
    assert TOKEN.key == b"o" * 8 + sha256(b"r" * 32)
    assert TOKEN.key.find(b"r" * 32) == -1


def test_every_part_is_under_the_mac() -> None:
    others = (
        RefreshToken(mac_key_id=2, order=TOKEN.order, random=TOKEN.random, generation=7),
        RefreshToken(mac_key_id=1, order=b"p" * 8, random=TOKEN.random, generation=7),
        RefreshToken(mac_key_id=1, order=TOKEN.order, random=b"s" * 32, generation=7),
        TOKEN.of_generation(8),
    )
    assert len({TOKEN.signed, *(other.signed for other in others)}) == 5


def test_a_family_has_one_key_whatever_the_generation() -> None:
    assert TOKEN.of_generation(MAX_GENERATION).key == TOKEN.key
    assert parse(TOKEN.of_generation(MAX_GENERATION).text(MAC)) == (TOKEN.of_generation(MAX_GENERATION), MAC)


@pytest.mark.parametrize("length", range(len(TEXT)))
def test_a_part_of_a_token_is_none(length: int) -> None:
    assert parse(TEXT[:length]) is None


@pytest.mark.parametrize("text", [TEXT + "A", TEXT + "=", " " + TEXT, "ik_at_" + TEXT[6:], TEXT[:-1] + "*"])
def test_anything_else_is_none(text: str) -> None:
    assert parse(text) is None


def test_another_version_is_none() -> None:
    raw = b"\x02" + base64url.decode(TEXT[6:])[1:]
    assert parse("ik_rt_" + base64url.encode(raw)) is None


def test_it_shows_nothing_of_itself() -> None:
    assert repr(TOKEN) == "RefreshToken(generation=7)"
