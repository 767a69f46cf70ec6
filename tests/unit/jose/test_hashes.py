"""`jose.hashes`: digests and derived keys, against published vectors."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from innkeeper.jose import base64url, hashes


def test_sha256_and_hmac_are_those_of_the_standard_library() -> None:
    assert hashes.sha256(b"abc") == hashlib.sha256(b"abc").digest()
    assert hashes.hmac_sha256(b"key", b"data") == hmac.new(b"key", b"data", "sha256").digest()


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 65, 131])
def test_a_mac_key_makes_the_same_macs(length: int) -> None:
    key = hashes.MacKey(b"k" * length)
    for data in (b"", b"data", b"d" * 200):
        assert key.tag(data) == hmac.new(b"k" * length, data, "sha256").digest()
    assert "k" * 8 not in repr(key)


def test_hkdf_without_salt_meets_the_third_vector_of_rfc_5869() -> None:
    derived = hashes.hkdf(b"\x0b" * 22, info=b"", length=42)
    assert derived.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_hkdf_gives_another_key_for_another_purpose() -> None:
    assert hashes.hkdf(b"s" * 32, info=b"csrf") != hashes.hkdf(b"s" * 32, info=b"at-rest")
    assert len(hashes.hkdf(b"s" * 32, info=b"csrf")) == 32


@pytest.mark.parametrize(
    ("alg", "name"),
    [
        ("ES256", "sha256"),
        ("RS256", "sha256"),
        ("PS384", "sha384"),
        ("ES512", "sha512"),
        ("EdDSA", "sha512"),
        ("Ed25519", "sha512"),
    ],
)
def test_at_hash_is_the_left_half_of_the_digest_that_the_algorithm_names(alg: str, name: str) -> None:
    digest = hashlib.new(name, b"token").digest()
    assert hashes.at_hash("token", alg) == base64url.encode(digest[: len(digest) // 2])


def test_at_hash_meets_the_example_of_openid_connect_core() -> None:
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert hashes.at_hash(token, "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


@pytest.mark.parametrize("alg", ["none", "", "HS1", "EdDSA448"])
def test_at_hash_of_an_unknown_algorithm_is_an_error(alg: str) -> None:
    with pytest.raises(ValueError):
        hashes.at_hash("token", alg)


def test_constant_time_equal_takes_any_text() -> None:
    assert hashes.constant_time_equal("pässwörd", "pässwörd")
    assert hashes.constant_time_equal("abc", b"abc")
    assert not hashes.constant_time_equal("abc", "abd")
    assert not hashes.constant_time_equal("abc", "abcd")
    assert not hashes.constant_time_equal("\ud800", "?")
