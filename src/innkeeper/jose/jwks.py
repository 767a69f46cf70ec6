"""Sets of public keys (RFC 7517 §5): read from an issuer we trust, or published by us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from innkeeper.jose import base64url, strict_json
from innkeeper.jose.jwk import MIN_RSA_BITS

MAX_DOCUMENT_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
_MAX_RSA_BITS: Final = 8192  # verifying with a larger one is work that its sender chooses for us
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
_MEMBERS = {"EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "RSA": ("n", "e")}


class VerificationKey:
    """One public key: its name, the algorithm it is bound to if any, and the members that make it."""

    __slots__ = ("_loaded", "alg", "jwk", "kid")

    def __init__(self, *, kid: str, alg: str | None, jwk: dict[str, str]) -> None:
        self.kid = kid
        self.alg = alg
        self.jwk = jwk
        self._loaded: Any = None

    def suits(self, alg: str) -> bool:
        """Whether the key itself allows `alg`: a token's header has no say in it (RFC 8725 §3.1)."""
        if self.alg is not None and self.alg != alg:
            return False
        if self.jwk["kty"] == "RSA":
            return alg[:2] in ("RS", "PS")
        return _CURVES.get(alg) == self.jwk["crv"]

    def loaded(self) -> Any:
        """The parsed key for the verifier, kept after the first use. ValueError: not a point of its curve."""
        if self._loaded is None:
            from joserfc.jwk import import_key

            self._loaded = import_key(dict(self.jwk))
            _ = self._loaded.public_key
        return self._loaded


class KeySet:
    """Public keys by name. What we cannot use is left out, so that an issuer may publish new kinds of key."""

    __slots__ = ("_by_kid",)

    def __init__(self, jwks: Iterable[Mapping[str, object]]) -> None:
        by_kid: dict[str, list[VerificationKey]] = {}
        for jwk in jwks:
            key = _verification_key(jwk)
            if key is not None and all(key.jwk != other.jwk for other in by_kid.get(key.kid, ())):
                by_kid.setdefault(key.kid, []).append(key)
        self._by_kid = by_kid

    @classmethod
    def parse(cls, document: bytes) -> KeySet:
        """From a JWKS document; ValueError when it is none."""
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ValueError("the key set is too large")
        keys = strict_json.parse_object(document).get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS:
            raise ValueError(f"a key set has a member `keys` with at most {MAX_KEYS} keys")
        return cls(key for key in keys if isinstance(key, dict))

    @staticmethod
    def document(public_jwks: Iterable[Mapping[str, object]]) -> bytes:
        """The document to publish."""
        return msgspec.json.encode({"keys": list(public_jwks)})

    def find(self, kid: str, alg: str) -> VerificationKey | None:
        """The one key of that name that allows `alg`. Two different ones under one name are none."""
        suitable = [key for key in self._by_kid.get(kid, ()) if key.suits(alg)]
        return suitable[0] if len(suitable) == 1 else None

    def only(self, alg: str) -> VerificationKey | None:
        """The one key that allows `alg`, for a token that names none (OIDC Core §10.1). Of several, none."""
        suitable = [key for keys in self._by_kid.values() for key in keys if key.suits(alg)]
        return suitable[0] if len(suitable) == 1 else None

    def __len__(self) -> int:
        return sum(len(keys) for keys in self._by_kid.values())

    def __contains__(self, kid: object) -> bool:
        return kid in self._by_kid


def _verification_key(jwk: Mapping[str, object]) -> VerificationKey | None:
    kid, kty, alg = jwk.get("kid"), jwk.get("kty"), jwk.get("alg")
    if (
        not isinstance(kid, str)
        or not kid
        or not isinstance(kty, str)
        or not (alg is None or isinstance(alg, str))
    ):
        return None
    if not _may_verify(jwk):
        return None
    members = {name: jwk.get(name) for name in _MEMBERS.get(kty, ())}
    text = {name: value for name, value in members.items() if isinstance(value, str)}
    # A symmetric key (`oct`) has no members here: it can sign, so it has no place in a set of public keys.
    if not members or len(text) != len(members) or (kty == "RSA" and not _is_sound_rsa(text)):
        return None
    return VerificationKey(kid=kid, alg=alg, jwk={"kty": kty, **text})


def _may_verify(jwk: Mapping[str, object]) -> bool:
    operations = jwk.get("key_ops")
    return jwk.get("use") in (None, "sig") and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _is_sound_rsa(members: Mapping[str, str]) -> bool:
    """Long enough to trust, short enough to compute, and no exponent of 1 under which everything verifies."""
    try:
        n, e = (int.from_bytes(base64url.decode(members[name]), "big") for name in ("n", "e"))
    except ValueError:
        return False
    return MIN_RSA_BITS <= n.bit_length() <= _MAX_RSA_BITS and n % 2 == 1 and e % 2 == 1 and 3 <= e < 2**64
