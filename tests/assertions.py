"""JWTs by which apps prove themselves, good but for what is changed, and apps that do so (RFC 7523)."""

from __future__ import annotations

import hmac
import itertools
import json
from datetime import timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from innkeeper.jose import base64url, jwk
from innkeeper.jose.hashes import sha256
from innkeeper.jose.jwks import KeySet
from innkeeper.server.flows.client_authentication import sealed_for
from innkeeper.server.model.client import Client, ClientKey, ClientSecret
from innkeeper.server.protocol.client_assertion import ASSERTION_TYPE, Audience
from innkeeper.server.protocol.client_auth.base import Facts
from tests.world import ISSUER, SECRET, START, World, a_client

T = int(START.timestamp())
EC_PRIVATE = jwk.generate("ES256")
OTHER_EC_PRIVATE = jwk.generate("ES256")
RSA_PRIVATE = jwk.generate("RS256")
ED_PRIVATE = ed25519.Ed25519PrivateKey.generate()
ED_PUBLIC: dict[str, Any] = {
    "kty": "OKP",
    "crv": "Ed25519",
    "kid": "ed",
    "x": base64url.encode(ED_PRIVATE.public_key().public_bytes_raw()),
}
EC_KEY = jwk.load(EC_PRIVATE, alg="ES256", kid="ec")
OTHER_EC_KEY = jwk.load(OTHER_EC_PRIVATE, alg="ES256", kid="other")
RSA_KEY = jwk.load(RSA_PRIVATE, alg="RS256", kid="rsa")
RSA_PUBLIC = {name: value for name, value in RSA_KEY.public_jwk.items() if name != "alg"}
TOKEN_ENDPOINT = ISSUER + "/oauth/token"
_numbers = itertools.count()


def a_key(public: dict[str, Any] | None = None, **values: Any) -> ClientKey:
    """A registered public key."""
    return ClientKey(jwk=msgspec.json.encode(public or EC_KEY.public_jwk), created_at=START, **values)


def a_signing_client(client_id: str = "web", **changes: Any) -> Client:
    """An app that signs with the key `ec`."""
    signing: dict[str, Any] = {
        "token_endpoint_auth_method": "private_key_jwt",
        "secrets": (),
        "keys": (a_key(),),
    }
    return a_client(client_id, **(signing | changes))


def facts(**changes: Any) -> Facts:
    """What the flow gathers for the app of `a_signing_client`."""
    given: dict[str, Any] = {
        "now": START,
        "audience": Audience(issuer=ISSUER, endpoints=(TOKEN_ENDPOINT,)),
        "keys": KeySet([EC_KEY.public_jwk]),
        "secrets": (SECRET.encode(),),
    }
    return Facts(**(given | changes))


def claims(client_id: str = "web", now: int = T, **changes: Any) -> dict[str, Any]:
    """Good claims, each with a `jti` of its own; `...` leaves one out."""
    good: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "exp": now + 60,
        "iat": now,
        "jti": f"jti-{next(_numbers)}",
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def signed(header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes, sign: Any = EC_KEY) -> str:
    """Whatever is in it, the signature is good: only the rule under test can refuse it.

    `sign` is a key of ours, a private key of any kind, or a shared secret as bytes.
    """
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signing_input = ".".join(base64url.encode(part) for part in parts)
    return f"{signing_input}.{base64url.encode(_signature(signing_input.encode(), sign))}"


def _signature(data: bytes, sign: Any) -> bytes:
    if isinstance(sign, bytes):
        return hmac.digest(sign, data, "sha256")
    if isinstance(sign, ed25519.Ed25519PrivateKey):
        return sign.sign(data)
    if isinstance(sign, rsa.RSAPrivateKey):  # as PS256: RS256 is what `jwk.SigningKey` does
        return sign.sign(data, padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32), SHA256())
    made: bytes = sign.sign_raw(data)
    return made


def rsa_private() -> rsa.RSAPrivateKey:
    key = load_der_private_key(RSA_PRIVATE, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def assertion(client_id: str = "web", *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Signed by `ec`. `header` replaces members of the header, `...` leaves one out."""
    good: dict[str, Any] = {"alg": "ES256", "kid": "ec", "typ": "client-authentication+jwt"}
    head = {name: value for name, value in (good | (header or {})).items() if value is not ...}
    sign = changes.pop("sign", EC_KEY)
    return signed(head, claims(client_id, **changes), sign)


def secret_assertion(client_id: str = "web", *, secret: str = SECRET, **changes: Any) -> str:
    """Under HMAC with the app's secret."""
    header = {"alg": "HS256", "kid": ..., "typ": "JWT"} | changes.pop("header", {})
    return assertion(client_id, header=header, sign=secret.encode(), **changes)


def by_assertion(text: str) -> dict[str, str]:
    """The two parameters of a request."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


def a_sealed_secret(world: World, client_id: str, secret: str = SECRET, **values: Any) -> ClientSecret:
    """As `client_secret_jwt` needs it."""
    sealed = world.services.at_rest.seal("at-rest", secret.encode(), associated=sealed_for(client_id))
    return ClientSecret(digest=sha256(secret.encode()), created_at=START, sealed=sealed, **values)


async def let_sign(world: World, client_id: str, **changes: Any) -> None:
    """The app is registered for private_key_jwt from now on."""
    signing: dict[str, Any] = {
        "token_endpoint_auth_method": "private_key_jwt",
        "secrets": (),
        "keys": (a_key(),),
    }
    await world.change(client_id, **(signing | changes))


async def let_sign_by_secret(world: World, client_id: str, **changes: Any) -> None:
    """The app is registered for client_secret_jwt from now on."""
    signing: dict[str, Any] = {
        "token_endpoint_auth_method": "client_secret_jwt",
        "secrets": (a_sealed_secret(world, client_id),),
    }
    await world.change(client_id, **(signing | changes))


def soon(**duration: float) -> int:
    """Seconds since the epoch, counted from the start of a world."""
    return int((START + timedelta(**duration)).timestamp())
