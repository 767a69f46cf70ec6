"""`jose.jwk`: keys are strong, fit their algorithm, and show only their public half."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from innkeeper.jose import jwk
from innkeeper.jose.errors import KeyRefused


def der(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize("alg", jwk.SIGNING_ALGORITHMS)
def test_a_generated_key_loads_and_names_itself_by_its_thumbprint(alg: str) -> None:
    key = jwk.load(jwk.generate(alg), alg=alg)
    assert key.alg == alg
    assert key.kid == key.public_jwk["kid"] == jwk.thumbprint(key.public_jwk)
    assert jwk.load(jwk.generate(alg), alg=alg).kid != key.kid


@pytest.mark.parametrize("alg", jwk.SIGNING_ALGORITHMS)
def test_the_public_jwk_holds_no_private_member(alg: str) -> None:
    published = jwk.load(jwk.generate(alg), alg=alg, kid="k1").public_jwk
    assert published["use"] == "sig"
    assert published["alg"] == alg
    assert published["kid"] == "k1"
    assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & published.keys()


def test_pem_is_as_good_as_der() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert jwk.load(pem, alg="ES256").kid == jwk.load(der(private), alg="ES256").kid


def test_the_thumbprint_is_that_of_the_example_in_rfc_7638() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    key = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert jwk.thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.filterwarnings("ignore")
def test_weak_and_unfitting_keys_are_refused() -> None:
    p256 = der(ec.generate_private_key(ec.SECP256R1()))
    refused = [
        (der(rsa.generate_private_key(65537, 1024)), "RS256"),
        (p256, "RS256"),
        (p256, "ES384"),
        (p256, "none"),
        (der(rsa.generate_private_key(65537, 2048)), "ES256"),
        (der(ec.generate_private_key(ec.SECP384R1())), "ES256"),
        (der(ec.generate_private_key(ec.SECP256K1())), "ES256"),
        (der(ed25519.Ed25519PrivateKey.generate()), "ES256"),
        (b"", "ES256"),
        (b"not a key", "ES256"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "ES256"),
    ]
    for private, alg in refused:
        with pytest.raises(KeyRefused):
            jwk.load(private, alg=alg)


@pytest.mark.parametrize("alg", ["none", "HS256", "ES512", ""])
def test_no_key_is_made_for_an_algorithm_that_we_do_not_sign_with(alg: str) -> None:
    with pytest.raises(KeyRefused):
        jwk.generate(alg)


def test_a_thumbprint_of_a_symmetric_key_is_refused() -> None:
    with pytest.raises(KeyRefused):
        jwk.thumbprint({"kty": "oct", "k": "AAAA"})


@pytest.mark.parametrize("r", [1, 127, 128, 2**248 - 1, 2**248, 2**255 - 1, 2**255, 2**256 - 1])
@pytest.mark.parametrize("s", [1, 128, 2**247, 2**255, 2**256 - 1])
def test_every_length_of_der_integers_becomes_64_raw_bytes(r: int, s: int) -> None:
    raw = jwk._raw_of_der(encode_dss_signature(r, s))
    assert raw == r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_the_repr_of_a_key_shows_its_name_alone() -> None:
    key = jwk.load(jwk.generate("ES256"), alg="ES256", kid="k1")
    assert repr(key) == "SigningKey(alg='ES256', kid='k1')"


# ------------------------------------------------------------ what apps register


def pem_of(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_pem_jwk_and_set_become_the_same_public_key() -> None:
    for private, kty in (
        (ec.generate_private_key(ec.SECP256R1()), "EC"),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "RSA"),
        (ed25519.Ed25519PrivateKey.generate(), "OKP"),
    ):
        [key] = jwk.from_pem_or_jwk(b"\n" + pem_of(private))
        assert key["kty"] == kty and key["kid"] == jwk.thumbprint(key) and key["use"] == "sig"
        assert "alg" not in key
        assert jwk.from_pem_or_jwk(json.dumps(key).encode()) == (key,)
        other = dict(key) | {"kid": "other"}
        assert jwk.from_pem_or_jwk(json.dumps({"keys": [key, other]}).encode()) == (key, other)


def test_an_algorithm_that_is_named_stays_and_must_fit() -> None:
    public = jwk.load(jwk.generate("RS256"), alg="RS256").public_jwk
    [key] = jwk.from_pem_or_jwk(json.dumps(public | {"alg": "PS256"}).encode())
    assert key["alg"] == "PS256"
    with pytest.raises(KeyRefused, match="RS256 or PS256"):
        jwk.from_pem_or_jwk(json.dumps(public | {"alg": "ES256"}).encode())


def _weak_rsa() -> bytes:
    return pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024))


EC_PUBLIC = jwk.load(jwk.generate("ES256"), alg="ES256").public_jwk
REFUSED_DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "a private PEM": (
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "private key",
    ),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "certificate"),
    "broken PEM": (b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "not a public key"),
    "another curve": (pem_of(ec.generate_private_key(ec.SECP384R1())), "P-256"),
    "a weak RSA key": (_weak_rsa(), "2048"),
    "a private JWK": (json.dumps(EC_PUBLIC | {"d": "x"}).encode(), "private"),
    "a shared key": (b'{"kty":"oct","k":"c2VjcmV0"}', "shared"),
    "a key for encryption": (json.dumps(EC_PUBLIC | {"use": "enc"}).encode(), "signatures"),
    "a key that may not verify": (json.dumps(EC_PUBLIC | {"key_ops": ["sign"]}).encode(), "signatures"),
    "a point off the curve": (json.dumps(EC_PUBLIC | {"x": EC_PUBLIC["y"]}).encode(), "no key"),
    "a missing member": (json.dumps({"kty": "EC", "crv": "P-256", "x": "AA"}).encode(), "missing"),
    "an even exponent": (b'{"kty":"RSA","n":"AQAB","e":"Ag"}', "no key"),
    "an empty set": (b'{"keys":[]}', "at least one"),
    "a set of nothing": (b'{"keys":[1]}', "at least one"),
    "a long name": (json.dumps(EC_PUBLIC | {"kid": "k" * 257}).encode(), "256"),
    "no name that is text": (json.dumps(EC_PUBLIC | {"kid": 1}).encode(), "256"),
    "nothing": (b"", "neither"),
    "a secret": (b"ik_cs_secret", "neither"),
    "a member twice": (b'{"kty":"EC","kty":"RSA"}', "neither"),
}


@pytest.mark.parametrize(("document", "reason"), REFUSED_DOCUMENTS.values(), ids=REFUSED_DOCUMENTS.keys())
def test_what_is_no_public_key_to_verify_with_is_refused_with_the_reason(
    document: bytes, reason: str
) -> None:
    with pytest.raises(KeyRefused, match=reason):
        jwk.from_pem_or_jwk(document)
