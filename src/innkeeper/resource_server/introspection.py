"""Asking the issuer about a token (RFC 7662): the only way to read an opaque one, and to learn that one was ended."""

from __future__ import annotations

import logging
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus

import msgspec

from innkeeper.jose import claims, strict_json
from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.hashes import sha256
from innkeeper.oauth.errors import InvalidToken, TemporarilyUnavailable
from innkeeper.resource_server import issuer_metadata
from innkeeper.resource_server.access_token import AccessToken, from_claims
from innkeeper.resource_server.errors import Misuse
from innkeeper.resource_server.fetch import Ask, Fetch, FetchFailed
from innkeeper.resource_server.fetched_keys import Clock

LONGEST_KEPT: Final = timedelta(minutes=5)
MAX_KEPT: Final = 1024

_log = logging.getLogger(__name__)


class Introspection(msgspec.Struct, frozen=True, kw_only=True):
    """As whom a guard asks, and for how long it believes an answer.

    `client_id` and `client_secret` are those of an app that is registered as the guard of the API. With
    `kept_for` a token that was ended is honoured that much longer; as it comes, nothing is kept.

    >>> asks = Introspection(client_id="timesheets-api", client_secret="keep it out of the code")
    >>> guard = Guard(issuer="http://localhost:9000", audience="https://api.example/", introspection=asks)
    """

    client_id: str
    client_secret: str
    kept_for: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not self.client_id or not self.client_secret:
            raise Misuse("a guard asks with a client_id and a client_secret of its own")
        if not timedelta(0) <= self.kept_for <= LONGEST_KEPT:
            raise Misuse("an answer about a token is kept for five minutes at most")

    def __repr__(self) -> str:
        return f"Introspection(client_id={self.client_id!r}, kept_for={self.kept_for!r})"

    @property
    def authorization(self) -> str:
        """HTTP Basic; id and secret are form-encoded inside (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return "Basic " + b64encode(pair.encode()).decode()


class TokenAnswers:
    """Asks about the tokens of one API at one issuer. Only good answers are kept, under the token's digest."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        introspection: Introspection,
        *,
        fetch: Fetch,
        ask: Ask,
        clock: Clock,
        leeway: timedelta,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._introspection = introspection
        self._fetch = fetch
        self._ask = ask
        self._clock = clock
        self._leeway = leeway
        self._endpoint: str | None = None
        self._kept: dict[bytes, tuple[datetime, AccessToken]] = {}

    async def about(self, token: str) -> AccessToken:
        """The token, if the issuer says that it lives and is for this API.

        Raises `InvalidToken`, and `TemporarilyUnavailable` when nobody answers: then nobody is let in.
        """
        digest, now = sha256(token.encode()), self._clock()
        if (kept := self._kept.get(digest)) is not None:
            kept_until, known = kept
            if now < kept_until:
                return known
            del self._kept[digest]
        found = self._judged(await self._answer(token))
        self._keep(digest, found, now)
        return found

    async def _answer(self, token: str) -> bytes:
        try:
            if self._endpoint is None:
                metadata = await issuer_metadata.read(self._issuer, self._fetch)
                self._endpoint = issuer_metadata.address(metadata, "introspection_endpoint")
            form = {"token": token, "token_type_hint": "access_token"}
            return issuer_metadata.bounded(
                await self._ask(self._endpoint, form, self._introspection.authorization)
            )
        except Exception as cause:  # a transport may raise anything, and an outage is no pardon
            if isinstance(cause, FetchFailed):  # it may have moved
                self._endpoint = None
            _log.warning("%s cannot be asked about tokens: %s: %s", self._issuer, type(cause).__name__, cause)
            raise TemporarilyUnavailable("the issuer cannot be asked about tokens at the moment") from None

    def _judged(self, body: bytes) -> AccessToken:
        """Only the JSON value true means active; the rest must be what a JWT for this API would say (RS-13)."""
        try:
            said = strict_json.parse_object(body)
        except ValueError:
            raise _refused("the answer about the token is not one unambiguous JSON object") from None
        if said.get("active") is not True:
            raise _refused("the issuer says that the token is not active")
        # A refresh token has no type: whoever holds one must not come in with it.
        if str(said.get("token_type")).lower() != "bearer":
            raise _refused("the token is no bearer token")
        try:
            checked = claims.check(
                said, now=self._clock(), issuer=self._issuer, audience=self._audience, leeway=self._leeway
            )
        except TokenRefused as refused:
            raise _refused(str(refused)) from None
        return from_claims(checked)

    def _keep(self, digest: bytes, token: AccessToken, asked_at: datetime) -> None:
        """From the instant of the question: what was ended since then was perhaps not yet known."""
        if not self._introspection.kept_for:
            return
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = min(asked_at + self._introspection.kept_for, token.expires_at), token


def _refused(detail: str) -> InvalidToken:
    return InvalidToken("the access token is not valid here", detail=detail)
