"""An issuer without a network, for tests of what protects an API: keys, documents, tokens, outages, time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from innkeeper.jose import base64url, jwk
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.jwt import Signer
from innkeeper.resource_server import Guard

ISSUER = "http://localhost:9000"
TIMESHEETS = "https://api.exampleco.test/timesheets"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@cache
def a_key(kid: str, alg: str = "ES256") -> jwk.SigningKey:
    """One key per name and run: making RSA keys is slow."""
    return jwk.load(jwk.generate(alg), alg=alg, kid=kid)


def said_by(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    claims: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return claims


class StandInIssuer:
    """`fetch` is its network, `now` its clock and the guard's."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.now = NOON
        self.keys = [a_key("one")]
        self.asked: list[str] = []
        self.is_down = False
        self.metadata: dict[str, Any] = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "introspection_endpoint": f"{issuer}/oauth/introspect",
        }
        self.questions: list[tuple[str, str]] = []
        self.opaque: dict[str, dict[str, Any]] = {}
        self.ended: set[str] = set()
        self.answer: bytes | None = None
        self.documents: dict[str, bytes] = {}

    @property
    def jwks_fetches(self) -> int:
        return sum(url.endswith("jwks.json") for url in self.asked)

    def clock(self) -> datetime:
        return self.now

    def passes(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.is_down:
            raise OSError("connection refused")
        if url in self.documents:
            return self.documents[url]
        if url.endswith("jwks.json"):
            return KeySet.document(key.public_jwk for key in self.keys)
        return json.dumps(self.metadata).encode()

    async def ask(self, url: str, form: Mapping[str, str], authorization: str) -> bytes:
        """The introspection endpoint: what an opaque token or a JWT says, until it is in `ended`."""
        self.questions.append((form["token"], authorization))
        if self.is_down:
            raise OSError("connection refused")
        if self.answer is not None:
            return self.answer
        token = form["token"]
        said = self.opaque.get(token) or (said_by(token) if token.count(".") == 2 else None)
        if said is None or token in self.ended or said["exp"] <= int(self.now.timestamp()):
            return b'{"active": false}'
        return json.dumps({"active": True, "token_type": "Bearer", **said}).encode()

    def guard(self, audience: str = TIMESHEETS, **settings: Any) -> Guard:
        return Guard(
            issuer=self.issuer,
            audience=audience,
            fetch=self.fetch,
            ask=self.ask,
            clock=self.clock,
            **settings,
        )

    def opaque_token(self, scope: str = "read:timesheets", **claims: Any) -> str:
        """An opaque access token that is good unless a claim says otherwise."""
        token = f"ik_at_{len(self.opaque)}"
        self.opaque[token] = said_by(self.token(scope, **claims))
        return token

    def token(
        self,
        scope: Any = "read:timesheets",
        *,
        key: jwk.SigningKey | None = None,
        typ: str = "at+jwt",
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """An access token that is good unless a claim says otherwise."""
        issued_at = int(self.now.timestamp())
        everything: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "erin",
            "aud": TIMESHEETS,
            "client_id": "timesheets-spa",
            "scope": scope,
            "jti": "grant.random",
            "iat": issued_at,
            "exp": issued_at + 900,
            **claims,
        }
        wanted: Mapping[str, Any] = {name: value for name, value in everything.items() if name not in without}
        return Signer(key or self.keys[0], typ).sign(wanted)

    def bearer(self, scope: Any = "read:timesheets", **changes: Any) -> list[str]:
        """The Authorization headers of a request with such a token."""
        return [f"Bearer {self.token(scope, **changes)}"]
