"""Signed JWTs (RFC 7515, RFC 7519): the signer of the hot path, and a verifier with the rules of RFC 8725."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from innkeeper.jose import base64url, claims, strict_json
from innkeeper.jose.claims import Claims
from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.hashes import constant_time_equal, hmac_sha256
from innkeeper.jose.jwk import SigningKey
from innkeeper.jose.jwks import KeySet, VerificationKey

__all__ = ["Claims", "Signer", "TokenRefused", "Unverified", "verify"]

MAX_TOKEN_CHARS: Final = 16 * 1024
MAX_HEADER_CHARS: Final = 4096
MIN_SECRET_BYTES: Final = 32
VERIFICATION_ALGORITHMS: Final = frozenset(
    ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519")
)
# `crit` and `b64` change what a signature means, `zip` and `enc` belong to encryption, and a key inside the
# token proves nothing about its sender. `jku`, `x5u`, `x5c` are ignored like unknown members, never fetched.
_REFUSED_HEADERS: Final = frozenset(("crit", "b64", "zip", "enc", "jwk"))
_encode_json = msgspec.json.encode
_encode_base64url = base64url.encode_bytes


class Signer:
    """Signs claims with one key as one type of token (`typ`); so the header is encoded only once."""

    __slots__ = ("_header", "_sign", "alg", "kid", "typ")

    def __init__(self, key: SigningKey, typ: str) -> None:
        header = _encode_json({"alg": key.alg, "typ": typ, "kid": key.kid})
        self._header = _encode_base64url(header) + b"."
        self._sign = key.sign_raw
        self.alg, self.kid, self.typ = key.alg, key.kid, typ

    def sign(self, claim_set: msgspec.Struct | Mapping[str, Any]) -> str:
        """The compact serialization. The claims are the caller's: nothing is added."""
        signing_input = self._header + _encode_base64url(_encode_json(claim_set))
        return (signing_input + b"." + _encode_base64url(self._sign(signing_input))).decode("ascii")


def verify(
    token: str,
    keys: KeySet,
    *,
    algorithms: Collection[str],
    typ: str,
    now: datetime,
    issuer: str,
    audience: str | None,
    leeway: timedelta = timedelta(0),
    may_be_expired: bool = False,
) -> Claims:
    """The claims of a token that this issuer made for this audience, or TokenRefused.

    `algorithms` comes from configuration, never from the token. `audience=None` is for callers that decide on
    `Claims.aud` themselves. `may_be_expired` is for hints, which prove who was meant and open nothing (OIDC
    Core §3.1.2.1): `exp` must be there and sound, and may have passed. ValueError when `algorithms` allows
    something that can never be safe here.
    """
    if not algorithms or not VERIFICATION_ALGORITHMS.issuperset(algorithms):
        raise ValueError("only asymmetric signature algorithms can be allowed")
    header_bytes, payload, signature = _parts(token)
    header = _object(header_bytes, "header")
    key = _key(header, keys, algorithms, typ)
    _check_signature(token.rpartition(".")[0].encode("ascii"), signature, key, header["alg"])
    return claims.check(
        _object(payload, "payload"),
        now=now,
        issuer=issuer,
        audience=audience,
        leeway=leeway,
        may_be_expired=may_be_expired,
    )


class Unverified:
    """A JWT taken apart, for assertions whose key is found by what they say (RFC 7523 §3).

    Nothing in `header` and `payload` may be believed before one of the two checks has returned. Each takes its own
    kind of key and nothing else, so no public key can ever be used as a shared secret (RFC 8725 §3.1).
    """

    __slots__ = ("_signature", "_signing_input", "header", "payload")

    def __init__(self, token: str, *, max_chars: int = MAX_TOKEN_CHARS) -> None:
        """TokenRefused: too long, or not a compact JWS of two unambiguous JSON objects."""
        if len(token) > max_chars:
            raise TokenRefused("malformed", f"longer than {max_chars} characters")
        header, payload, self._signature = _parts(token)
        self.header = _object(header, "header")
        self.payload = _object(payload, "payload")
        if not _REFUSED_HEADERS.isdisjoint(self.header):
            raise TokenRefused("critical", "the header has a member that is not accepted")
        self._signing_input = token.rpartition(".")[0].encode("ascii")

    def __repr__(self) -> str:
        return f"Unverified(header={list(self.header)!r}, payload={list(self.payload)!r})"

    @property
    def alg(self) -> str:
        """What the header claims; empty for anything but text."""
        alg = self.header.get("alg")
        return alg if isinstance(alg, str) else ""

    def is_of_type(self, types: Collection[str]) -> bool:
        """A header without `typ` is of no type; callers say whether that will do."""
        return _media_type(self.header.get("typ")) in types

    def check_by_key(self, keys: KeySet, stand_ins: KeySet, algorithms: Collection[str]) -> None:
        """TokenRefused unless the one key that is named, or the only one that suits, made the signature.

        Without such a key a stand-in is tried all the same, so that time does not tell which names exist.
        """
        if not VERIFICATION_ALGORITHMS.issuperset(algorithms):
            raise ValueError("only asymmetric signature algorithms can be allowed")
        if self.alg not in algorithms:
            raise TokenRefused("algorithm", "the algorithm is not allowed")
        kid = self.header.get("kid")
        key = keys.find(kid, self.alg) if isinstance(kid, str) else None
        if "kid" not in self.header:
            key = keys.only(self.alg)
        tried = key or stand_ins.only(self.alg)
        if tried is not None:
            try:
                _check_signature(self._signing_input, self._signature, tried, self.alg)
            except TokenRefused:
                if key is not None:
                    raise
        if key is None:
            raise TokenRefused("unknown_key", "no key of that name allows this algorithm")

    def check_by_secret(self, secrets: Sequence[bytes], *, at_least: int) -> None:
        """TokenRefused unless one of the shared secrets made the signature: HS256 and nothing else.

        `at_least` so many MACs are made and compared, so that time does not tell how many secrets there are; those
        without a secret never count.
        """
        if self.alg != "HS256":
            raise TokenRefused("algorithm", "the algorithm is not allowed")
        fit = [secret for secret in secrets if len(secret) >= MIN_SECRET_BYTES]
        tried = fit + [bytes(MIN_SECRET_BYTES)] * (at_least - len(fit))
        macs = [hmac_sha256(secret, self._signing_input) for secret in tried]
        matches = [constant_time_equal(mac, self._signature) for mac in macs]
        if not any(matches[: len(fit)]):
            raise TokenRefused("signature", "the signature does not belong to this token and secret")


def _parts(token: str) -> tuple[bytes, bytes, bytes]:
    """Sizes and shape before anything is decoded: a million dots must cost nothing (CVE-2025-27144)."""
    if len(token) > MAX_TOKEN_CHARS or token.count(".") != 2:
        raise TokenRefused("malformed", "not a compact JWS of acceptable size")
    header, payload, signature = token.split(".")
    if not header or not payload or not signature or len(header) > MAX_HEADER_CHARS:
        raise TokenRefused("malformed", "an empty part, or a header that is too long")
    try:
        return base64url.decode(header), base64url.decode(payload), base64url.decode(signature)
    except ValueError:
        raise TokenRefused("malformed", "a part is not base64url") from None


def _object(part: bytes, name: str) -> dict[str, Any]:
    try:
        return strict_json.parse_object(part)
    except ValueError:
        raise TokenRefused("malformed", f"the {name} is not one unambiguous JSON object") from None


def _key(header: dict[str, Any], keys: KeySet, algorithms: Collection[str], typ: str) -> VerificationKey:
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in algorithms:
        raise TokenRefused("algorithm", "the algorithm is not allowed")
    if not _REFUSED_HEADERS.isdisjoint(header):
        raise TokenRefused("critical", "the header has a member that is not accepted")
    if _media_type(header.get("typ")) != _media_type(typ):
        raise TokenRefused("type", "the token is of another type")
    key = keys.find(kid, alg) if isinstance(kid, str) else None
    if key is None:
        raise TokenRefused("unknown_key", "no key of that name allows this algorithm")
    return key


def _media_type(typ: object) -> str | None:
    """`typ` in one spelling: any case, "application/" may be left out (RFC 7515 §4.1.9, RFC 9068 §4)."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) and typ.isascii() else None


def _check_signature(signing_input: bytes, signature: bytes, key: VerificationKey, alg: str) -> None:
    """Only the mathematics is left to joserfc: a second parser would read the header in its own way.

    It is loaded by the first token that arrives, not at start-up.
    """
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    algorithm = JWSRegistry.algorithms[alg]
    try:
        loaded = key.loaded()
        algorithm.check_key(loaded)
        is_good = algorithm.verify(signing_input, signature, loaded)
    except (JoseError, ValueError, TypeError):
        is_good = False
    if not is_good:
        raise TokenRefused("signature", "the signature does not belong to this token and key")
