"""`jose.jwks`: a set keeps what it can use safely, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from innkeeper.jose import base64url, jwk
from innkeeper.jose.jwks import MAX_DOCUMENT_BYTES, MAX_KEYS, KeySet

EC = jwk.load(jwk.generate("ES256"), alg="ES256", kid="ec").public_jwk
RSA = jwk.load(jwk.generate("RS256"), alg="RS256", kid="rsa").public_jwk


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_published_keys_are_found_again_by_name_and_algorithm() -> None:
    keys = KeySet.parse(KeySet.document([EC, RSA]))
    assert len(keys) == 2
    assert "ec" in keys
    found = keys.find("ec", "ES256")
    assert found is not None
    assert found.jwk == {name: EC[name] for name in ("kty", "crv", "x", "y")}
    assert keys.find("rsa", "RS256") is not None
    assert keys.find("missing", "ES256") is None


@pytest.mark.parametrize("alg", ["RS256", "ES384", "PS256", "HS256", "none", "EdDSA"])
def test_a_key_is_not_found_for_an_algorithm_it_is_not_for(alg: str) -> None:
    assert KeySet([EC]).find("ec", alg) is None


def test_a_key_without_alg_is_held_to_its_kind_and_curve() -> None:
    bare_ec = {name: value for name, value in EC.items() if name != "alg"}
    bare_rsa = {name: value for name, value in RSA.items() if name != "alg"}
    keys = KeySet([bare_ec, bare_rsa])
    assert keys.find("ec", "ES256") is not None
    assert keys.find("ec", "ES512") is None
    assert keys.find("ec", "RS256") is None
    assert keys.find("rsa", "PS384") is not None
    assert keys.find("rsa", "ES256") is None
    assert keys.find("rsa", "HS256") is None


@pytest.mark.parametrize(
    "unusable",
    [
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "AKP", "kid": "k", "alg": "ML-DSA-65", "pub": "AAAA"},
        {**EC, "use": "enc"},
        {**EC, "key_ops": ["sign"]},
        {**EC, "key_ops": "verify"},
        {**EC, "kid": ""},
        {**EC, "kid": 7},
        {**EC, "x": None},
        {name: value for name, value in EC.items() if name != "kid"},
        {**RSA, "e": "AQ"},
        {**RSA, "e": "Ag"},
        {**RSA, "n": base64url.encode(b"\xff" * 128)},
        {**RSA, "n": base64url.encode(b"\xff" * 1025)},
        {**RSA, "n": RSA["n"] + "="},
        "text",
        None,
    ],
)
def test_unusable_keys_are_left_out_and_the_others_stay(unusable: object) -> None:
    keys = KeySet.parse(document(unusable, {**EC, "kid": "good"}))
    assert len(keys) == 1
    assert keys.find("good", "ES256") is not None


def test_private_members_are_not_kept() -> None:
    keys = KeySet.parse(document({**EC, "d": "c2VjcmV0"}))
    found = keys.find("ec", "ES256")
    assert found is not None
    assert "d" not in found.jwk


def test_two_different_keys_under_one_name_are_no_key_but_the_same_twice_is_one() -> None:
    other = jwk.load(jwk.generate("ES256"), alg="ES256", kid="ec").public_jwk
    assert KeySet([EC, other]).find("ec", "ES256") is None
    assert KeySet([EC, EC]).find("ec", "ES256") is not None


def test_two_kinds_of_key_may_share_a_name() -> None:
    keys = KeySet([EC, {**RSA, "kid": "ec"}])
    assert keys.find("ec", "ES256") is not None
    assert keys.find("ec", "RS256") is not None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        b"<html>",
        document(*[EC] * (MAX_KEYS + 1)),
        b" " * (MAX_DOCUMENT_BYTES + 1),
    ],
)
def test_what_is_no_key_set_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError):
        KeySet.parse(raw)
