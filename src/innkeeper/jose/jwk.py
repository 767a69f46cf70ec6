"""Signing keys (RFC 7517, RFC 7518 §3, RFC 7638): generated, loaded once, shown by their public half."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from innkeeper.jose import base64url, hashes
from innkeeper.jose.errors import KeyRefused

SIGNING_ALGORITHMS: Final = ("ES256", "RS256")
MIN_RSA_BITS: Final = 2048
_COORDINATE_BYTES: Final = 32
_ECDSA_SHA256 = ec.ECDSA(SHA256())
_PKCS1V15 = padding.PKCS1v15()
_SHA256 = SHA256()
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


def load(private: bytes, *, alg: str, kid: str | None = None) -> SigningKey:
    """From PKCS #8, DER or PEM; without `kid` it is named by its thumbprint. KeyRefused: unfit for `alg`."""
    pem = private.lstrip().startswith(b"-----BEGIN")
    try:
        key = load_pem_private_key(private, None) if pem else load_der_private_key(private, None)
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
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        jwk = {"kty": "RSA", "n": _uint(rsa_numbers.n), "e": _uint(rsa_numbers.e)}
    else:
        numbers = key.public_numbers()
        x, y = (base64url.encode(n.to_bytes(_COORDINATE_BYTES, "big")) for n in (numbers.x, numbers.y))
        jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return jwk | {"use": "sig", "alg": alg, "kid": kid or thumbprint(jwk)}


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The name a key gives itself: SHA-256 of its required members, sorted, no white space (RFC 7638 §3)."""
    members = _THUMBPRINT_MEMBERS.get(str(jwk.get("kty")))
    if members is None:
        raise KeyRefused("no thumbprint is defined for this kind of key")
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64url.encode(hashes.sha256(canonical.encode()))


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
