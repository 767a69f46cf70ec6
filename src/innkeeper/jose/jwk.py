"""Signing keys (RFC 7517, RFC 7518 §3, RFC 7638): generated, loaded once, shown by their public half."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    load_pem_public_key,
)

from innkeeper.jose import base64url, hashes, strict_json
from innkeeper.jose.errors import KeyRefused

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

SIGNING_ALGORITHMS: Final = ("ES256", "RS256")
MIN_RSA_BITS: Final = 2048
_COORDINATE_BYTES: Final = 32
_ECDSA_SHA256 = ec.ECDSA(SHA256())
_PKCS1V15 = padding.PKCS1v15()
_SHA256 = SHA256()
_PRIVATE_MEMBERS: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
_ALGORITHMS_OF = {"EC": ("ES256",), "RSA": ("RS256", "PS256"), "OKP": ("EdDSA", "Ed25519")}
_MAX_RSA_BITS: Final = 8192
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


class SigningKey:
    """A private key and its name. Made by `load`; parsing costs milliseconds, so keep the object."""

    __slots__ = ("_private", "alg", "kid", "public_jwk")

    def __init__(
        self, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *, alg: str, kid: str | None
    ) -> None:
        self._private = private
        self.alg = alg
        self.public_jwk = public_jwk(private.public_key(), alg=alg, kid=kid)
        self.kid = self.public_jwk["kid"]

    def __repr__(self) -> str:
        return f"SigningKey(alg={self.alg!r}, kid={self.kid!r})"

    def sign_raw(self, data: bytes) -> bytes:
        """The signature as JWS carries it: for ES256 r and s side by side, 32 bytes each (RFC 7518 §3.4)."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(data, _PKCS1V15, _SHA256)
        return _raw_of_der(self._private.sign(data, _ECDSA_SHA256))


def generate(alg: str) -> bytes:
    """A new private key for `alg`, as PKCS #8 DER: encrypt it before it is stored."""
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if alg == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    elif alg == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=MIN_RSA_BITS)
    else:
        raise KeyRefused(f"no signing key can be made for {alg!r}")
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def as_pem(private: bytes) -> bytes:
    """The same private key, DER or PEM, as PKCS #8 PEM: for a file of the key's owner."""
    key = load_pem_private_key(private, None) if _is_pem(private) else load_der_private_key(private, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load(private: bytes, *, alg: str, kid: str | None = None) -> SigningKey:
    """From PKCS #8, DER or PEM; without `kid` it is named by its thumbprint. KeyRefused: unfit for `alg`."""
    try:
        key = load_pem_private_key(private, None) if _is_pem(private) else load_der_private_key(private, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise KeyRefused("not an unencrypted private key") from cause
    if alg == "ES256" and isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return SigningKey(key, alg=alg, kid=kid)
    if alg == "RS256" and isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise KeyRefused(f"an RSA key has at least {MIN_RSA_BITS} bits")
        return SigningKey(key, alg=alg, kid=kid)
    raise KeyRefused(f"not a key for {alg!r}")


def public_jwk(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, *, alg: str, kid: str | None = None
) -> dict[str, str]:
    """The members to publish, `use` and `alg` included, and nothing private."""
    jwk = _members(key)
    return jwk | {"use": "sig", "alg": alg, "kid": kid or thumbprint(jwk)}


def from_pem_or_jwk(document: bytes) -> tuple[dict[str, str], ...]:
    """An app's public keys from a PEM file, a JWK or a JWK Set: whole, fit to verify with, each with a `kid`.

    KeyRefused says what to do instead. A private key is refused: whoever keeps it here could be the app.
    """
    text = document.strip()
    if text.startswith(b"-----BEGIN"):
        return (_named(_public_of_pem(text), {}),)
    try:
        parsed = strict_json.parse_object(text)
    except ValueError:
        raise KeyRefused("neither a PEM file nor a JWK nor a JWK Set") from None
    listed = parsed.get("keys", [parsed])
    if not isinstance(listed, list) or not listed or not all(isinstance(jwk, dict) for jwk in listed):
        raise KeyRefused("a JWK Set has a member `keys` with at least one key")
    return tuple(_named(_public_of_jwk(jwk), jwk) for jwk in listed)


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The name a key gives itself: SHA-256 of its required members, sorted, no white space (RFC 7638 §3)."""
    members = _THUMBPRINT_MEMBERS.get(str(jwk.get("kty")))
    if members is None:
        raise KeyRefused("no thumbprint is defined for this kind of key")
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64url.encode(hashes.sha256(canonical.encode()))


def _is_pem(private: bytes) -> bool:
    return private.lstrip().startswith(b"-----BEGIN")


def _public_of_pem(pem: bytes) -> PublicKey:
    if b"PRIVATE KEY-----" in pem:
        raise KeyRefused(
            "this is a private key, which stays with the app: register its public half,"
            " `openssl pkey -in FILE -pubout`"
        )
    if b"BEGIN CERTIFICATE-----" in pem:
        raise KeyRefused("this is a certificate: take its key, `openssl x509 -in FILE -pubkey -noout`")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise KeyRefused("not a public key in PEM") from cause
    return _fit(key)


def _public_of_jwk(jwk: Mapping[str, object]) -> PublicKey:
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise KeyRefused("this is a private or a shared key: register the public members alone")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeyRefused("this key is not for signatures (`use`, `key_ops`)")
    kty, crv = jwk.get("kty"), jwk.get("crv")
    try:
        match kty, crv:
            case "EC", "P-256":
                x, y = (int.from_bytes(_member(jwk, name), "big") for name in ("x", "y"))
                return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            case "OKP", "Ed25519":
                return ed25519.Ed25519PublicKey.from_public_bytes(_member(jwk, "x"))
            case "RSA", _:
                n, e = (int.from_bytes(_member(jwk, name), "big") for name in ("n", "e"))
                return _fit(rsa.RSAPublicNumbers(e, n).public_key())
    except KeyRefused:
        raise
    except ValueError as cause:
        raise KeyRefused("the members of this key make no key") from cause
    raise KeyRefused("keys are EC on P-256, RSA or Ed25519")


def _fit(key: object) -> PublicKey:
    """Of a kind that we verify with, and strong enough."""
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            raise KeyRefused(f"an RSA key has {MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
        if not 3 <= key.public_numbers().e < 2**64:
            raise KeyRefused("the exponent of this RSA key is no sound one")
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise KeyRefused("keys are EC on P-256, RSA or Ed25519")


def _named(key: PublicKey, given: Mapping[str, object]) -> dict[str, str]:
    """In one form, under its own `kid` or its thumbprint; `alg` stays where it was named (RFC 8725 §3.1)."""
    jwk = _members(key)
    alg, kid = given.get("alg"), given.get("kid", thumbprint(jwk))
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise KeyRefused("a kid is 1 to 256 characters")
    if alg is not None and alg not in _ALGORITHMS_OF[jwk["kty"]]:
        raise KeyRefused(f"a key of this kind is for {' or '.join(_ALGORITHMS_OF[jwk['kty']])}")
    return jwk | {"use": "sig", "kid": kid} | ({"alg": str(alg)} if alg else {})


def _members(key: PublicKey) -> dict[str, str]:
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _uint(rsa_numbers.n), "e": _uint(rsa_numbers.e)}
    if isinstance(key, ed25519.Ed25519PublicKey):
        x = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(x)}
    numbers = key.public_numbers()
    x, y = (n.to_bytes(_COORDINATE_BYTES, "big") for n in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": base64url.encode(x), "y": base64url.encode(y)}


def _member(jwk: Mapping[str, object], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise KeyRefused(f"the member {name} is missing")
    return base64url.decode(value)


def _raw_of_der(der: bytes) -> bytes:
    """SEQUENCE { INTEGER r, INTEGER s } to r || s by slicing: a quarter of the cost of parsing the numbers.

    For P-256 the whole is under 128 bytes, so every length is one byte. An integer of 33 bytes starts with a
    zero that only says "positive"; a short one is filled up on the left.
    """
    r_end = 4 + der[3]
    r, s = der[4:r_end], der[r_end + 2 :]
    return r[-_COORDINATE_BYTES:].rjust(_COORDINATE_BYTES, b"\0") + s[-_COORDINATE_BYTES:].rjust(
        _COORDINATE_BYTES, b"\0"
    )


def _uint(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
