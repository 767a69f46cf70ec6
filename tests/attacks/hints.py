"""Texts that are no ID token of ours for the app `web`, for every endpoint that takes a hint (attack cases JW)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from innkeeper.jose import base64url, jwk
from innkeeper.jose.jwt import Signer
from tests.attacks.authorizing import claims_of, tokens
from tests.visitor import Visitor
from tests.world import ISSUER, World

FOREIGN_KEY = jwk.load(jwk.generate("RS256"), alg="RS256", kid="foreign")


async def a_hint(world: World, visitor: Visitor, username: str = "erin", **parameters: str | None) -> str:
    """The ID token that `web` has after this person signed in with this browser."""
    await visitor.code(username, **parameters)
    return str((await tokens(world, visitor))["id_token"])


def signed(world: World, claims: dict[str, Any], *, typ: str = "JWT", alg: str = "RS256") -> str:
    """Truly ours by its signature, whatever it says."""
    return world.services.keys.signer(alg, typ, world.clock.now()).sign(claims)


def bad_hints(world: World, good: str) -> dict[str, str]:
    """By the id of the attack case. `good` is an ID token of `web`."""
    return {name: make(world, good) for name, make in BAD_HINTS.items()}


def changed(**changes: Any) -> Callable[[World, str], str]:
    """Signed by us, with other claims; `...` leaves one out."""

    def make(world: World, good: str) -> str:
        claims = {name: value for name, value in (claims_of(good) | changes).items() if value is not ...}
        return signed(world, claims)

    return make


def raw(header: dict[str, Any], payload: bytes, signature: bytes) -> str:
    """A compact JWS of exactly these parts."""
    return ".".join(base64url.encode(part) for part in (json.dumps(header).encode(), payload, signature))


def _header(good: str, **changes: Any) -> dict[str, Any]:
    part = good.split(".")[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found | changes


def _payload(good: str) -> bytes:
    return json.dumps(claims_of(good)).encode()


def _unsigned(alg: str) -> Callable[[World, str], str]:
    return lambda world, good: raw(_header(good, alg=alg), _payload(good), b"")


def _with_public_key_as_secret(world: World, good: str) -> str:
    """HS256 under the text of our own public key (CVE-2015-9235)."""
    header = _header(good, alg="HS256")
    record = next(iter(world.services.registry.snapshot.signing_keys.values()))
    signing_input = raw(header, _payload(good), b"").removesuffix(".")
    mac = hmac.digest(record.public_jwk, signing_input.encode(), hashlib.sha256)
    return f"{signing_input}.{base64url.encode(mac)}"


def _with_its_own_key(world: World, good: str) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": _header(good)["kid"], "jwk": FOREIGN_KEY.public_jwk}
    signing_input = raw(header, _payload(good), b"").removesuffix(".")
    return f"{signing_input}.{base64url.encode(FOREIGN_KEY.sign_raw(signing_input.encode()))}"


def _flipped(world: World, good: str) -> str:
    head, payload, signature = good.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{head}.{payload}.{signature[:middle]}{other}{signature[middle + 1 :]}"


def _duplicate_member(world: World, good: str) -> str:
    """Two readers of it would see two people; so it is not read at all."""
    signer = world.services.keys.signer("RS256", "JWT", world.clock.now())
    payload = _payload(good)[:-1] + b', "sub": "ik|mona"}'
    key = signer._sign
    signing_input = raw(_header(good), payload, b"").removesuffix(".")
    return f"{signing_input}.{base64url.encode(key(signing_input.encode()))}"


def _access_token(world: World, good: str) -> str:
    """A JWT access token of ours, even where somebody named an API like the app."""
    claims = claims_of(good) | {"scope": "openid", "client_id": "web", "jti": "g.r"}
    return signed(world, claims, typ="at+jwt")


BAD_HINTS: dict[str, Callable[[World, str], str]] = {
    "JW-01 none": _unsigned("none"),
    "JW-01 NONE": _unsigned("NONE"),
    "JW-01 empty signature": lambda world, good: good.rpartition(".")[0] + ".",
    "JW-01 two parts": lambda world, good: good.rpartition(".")[0],
    "JW-02 public key as secret": _with_public_key_as_secret,
    "JW-04 PS256 for RS256": lambda world, good: raw(_header(good, alg="PS256"), _payload(good), b"s" * 256),
    "JW-04 psychic": lambda world, good: raw(_header(good, alg="ES256"), _payload(good), bytes(64)),
    "JW-05 a key of its own": _with_its_own_key,
    "JW-07 an unknown kid": lambda world, good: Signer(FOREIGN_KEY, "JWT").sign(claims_of(good)),
    "JW-07 a path as kid": lambda world, good: raw(
        _header(good, kid="%2e%2e/key"), _payload(good), b"s" * 256
    ),
    "JW-10 an access token": _access_token,
    "JW-10 an access token of typ JWT": changed(scope="openid", client_id="web", jti="g.r"),
    "JW-10 a logout token": lambda world, good: signed(world, claims_of(good), typ="logout+jwt"),
    "JW-10 signed userinfo": changed(auth_time=..., iat=...),
    "JW-11 no exp": changed(exp=...),
    "JW-11 exp is text": changed(exp="2000000000"),
    "JW-11 exp is a float": changed(exp=2000000000.5),
    "JW-11 iat in the future": changed(iat=4102444800),
    "JW-13 no audience": changed(aud=...),
    "JW-13 another app": changed(aud="other"),
    "JW-13 an app among others": changed(aud=["web", "other"]),
    "JW-13 a prefix": changed(aud="we"),
    "JW-13 another issuer": changed(iss=ISSUER + "/"),
    "JW-14 a member twice": _duplicate_member,
    "JW-14 padding": lambda world, good: good + "=",
    "JW-14 white space": lambda world, good: good + " ",
    "JW-14 JSON": lambda world, good: json.dumps(
        dict(zip(("protected", "payload", "signature"), good.split("."), strict=True))
    ),
    "JW-16 no sub": changed(sub=...),
    "JW-16 sub is a number": changed(sub=1),
    "JW-20 a flipped bit": _flipped,
    "no token at all": lambda world, good: "erin",
}
