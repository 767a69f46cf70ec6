"""The guard of an API: who may come in with an access token (RFC 6750, RFC 9068 §4, RFC 7662)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from innkeeper.jose import jwt
from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.bearer import bearer_token
from innkeeper.oauth.errors import InvalidRequest, InvalidScope, InvalidToken
from innkeeper.oauth.scope import Scope
from innkeeper.resource_server.access_token import AccessToken, from_claims
from innkeeper.resource_server.errors import Misuse, ScopeRequired, TokenRequired
from innkeeper.resource_server.fetch import Ask, Fetch, HttpAsk, fetch_over_http, is_trustworthy_address
from innkeeper.resource_server.fetched_keys import Clock
from innkeeper.resource_server.introspection import Introspection, TokenAnswers
from innkeeper.resource_server.issuer_keys import IssuerKeys, now
from innkeeper.resource_server.verified_tokens import VerifiedTokens

ALGORITHMS: Final = ("ES256", "RS256")
LEEWAY: Final = timedelta(seconds=30)
TOKEN_TYPE: Final = "at+jwt"


class Guard:
    """Checks the access tokens of one issuer for one API. Make one and keep it: it holds the issuer's keys.

    As it comes it works offline: it needs the issuer for its public keys only, and goes on through a short outage.
    The price: it **honours a JWT until its `exp`**, even if token, grant or owner were revoked since then.
    Keep the lifetime of access tokens short.

    With `introspection` it asks the issuer about opaque tokens, at every request unless answers are kept; with
    `online` about JWTs too, after it has checked them: then whatever was ended is refused at once, and while the
    issuer does not answer nobody comes in.

    >>> guard = Guard(issuer="http://localhost:9000", audience="https://api.exampleco.test/timesheets")

    Misuse: an issuer on plain http that is not this machine, an empty audience, an unsafe algorithm, `online`
    without `introspection`.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str] = ALGORITHMS,
        leeway: timedelta = LEEWAY,
        introspection: Introspection | None = None,
        online: bool = False,
        fetch: Fetch | None = None,
        ask: Ask | None = None,
        clock: Clock = now,
    ) -> None:
        _check_settings(issuer, audience, algorithms, leeway)
        if online and introspection is None:
            raise Misuse("to ask about every token, a guard needs `introspection`")
        self.issuer = issuer
        self.audience = audience
        self._algorithms = frozenset(algorithms)
        self._leeway = leeway
        self._clock = clock
        self._keys = IssuerKeys(issuer, fetch or fetch_over_http, clock)
        self._verified = VerifiedTokens()
        self._online = online
        self._answers = None
        self._ask = ask or HttpAsk()
        if introspection is not None:
            self._answers = TokenAnswers(
                issuer,
                audience,
                introspection,
                fetch=fetch or fetch_over_http,
                ask=self._ask,
                clock=clock,
                leeway=leeway,
            )

    async def check(
        self, authorization: Sequence[str], *, scope: str | None = None, query_string: bytes = b""
    ) -> AccessToken:
        """The token of a request, or the OAuthError to answer with (`refusal` makes a response of it).

        `authorization` is every Authorization header that came, `scope` what the resource needs, all of it.

        >>> async def list_timesheets(authorization: list[str]) -> str:
        ...     token = await guard.check(authorization, scope="read:timesheets")
        ...     return f"the timesheets of {token.subject}"
        >>> asyncio.run(list_timesheets([f"Bearer {access_token}"]))
        'the timesheets of erin'
        >>> asyncio.run(list_timesheets([]))
        Traceback (most recent call last):
        innkeeper.resource_server.errors.TokenRequired: invalid_token: this resource needs an access token
        """
        needed = required_scope(scope)
        # Addresses end up in logs, histories and Referer headers: a token there is burnt (RFC 9700 §4.3.2).
        if query_string and _names_a_token(query_string):
            raise InvalidRequest(
                "an access token in the query is refused: send it in the Authorization header"
            )
        token = bearer_token(authorization)
        if token is None:
            raise TokenRequired
        access_token = await self._verify(token)
        if not needed <= access_token.scope:
            raise ScopeRequired(needed)
        return access_token

    def requires(self, scope: str | None = None) -> Callable[..., Awaitable[AccessToken]]:
        """A FastAPI dependency that hands over the token, or answers 400, 401, 403 or 503 by itself.

        >>> from fastapi import Depends, FastAPI
        >>> app = FastAPI()
        >>> @app.get("/timesheets")
        ... async def timesheets(token: AccessToken = Depends(guard.requires("read:timesheets"))) -> str:
        ...     return f"the timesheets of {token.subject}"
        """
        from innkeeper.resource_server.fastapi import dependency

        required_scope(scope)
        return dependency(partial(self.check, scope=scope))

    async def aclose(self) -> None:
        """Closes the connections of a guard that asks its issuer. It goes on working, on new ones.

        >>> asyncio.run(guard.aclose())
        """
        if isinstance(self._ask, HttpAsk):
            await self._ask.aclose()

    async def _verify(self, token: str) -> AccessToken:
        """What the token itself can say comes first, so that a forgery costs no question."""
        if self._answers is not None and token.count(".") != 2:
            return await self._answers.about(token)
        try:
            verified = await self._verify_offline(token)
        except TokenRefused as refused:
            # Another profile of access token, or none at all: only the issuer knows.
            if self._answers is not None and refused.code == "type":
                return await self._answers.about(token)
            raise _invalid(refused) from None
        return await self._answers.about(token) if self._online and self._answers is not None else verified

    async def _verify_offline(self, token: str) -> AccessToken:
        keys = await self._keys.current()
        found = self._verified.find(token, keys, expires_after=self._clock() - self._leeway)
        if found is not None:
            return found
        try:
            return self._verify_with(keys, token)
        except TokenRefused as refused:
            newer = await self._keys.newer_than(keys) if refused.code == "unknown_key" else None
            if newer is None:
                raise
        return self._verify_with(newer, token)

    def _verify_with(self, keys: KeySet, token: str) -> AccessToken:
        claims = jwt.verify(
            token,
            keys,
            algorithms=self._algorithms,
            typ=TOKEN_TYPE,
            now=self._clock(),
            issuer=self.issuer,
            audience=self.audience,
            leeway=self._leeway,
        )
        access_token = from_claims(claims)
        self._verified.remember(token, keys, access_token)
        return access_token


def _invalid(refused: TokenRefused) -> InvalidToken:
    """An app is told that its token has expired, since it can act on that; all else looks the same to it."""
    expired = refused.code == "expired"
    description = "the access token has expired" if expired else "the access token is not valid here"
    return InvalidToken(description, detail=str(refused))


def required_scope(scope: str | None) -> Scope:
    """The words a resource needs, none for None. Misuse when they are not a scope."""
    try:
        return Scope.parse(scope)
    except InvalidScope as cause:
        raise Misuse(
            f"the scope that a resource needs is words separated by one space: {cause.description}"
        ) from None


def _names_a_token(query_string: bytes) -> bool:
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return any(name == "access_token" for name, _ in pairs)


def _check_settings(issuer: str, audience: str, algorithms: Collection[str], leeway: timedelta) -> None:
    if not is_trustworthy_address(issuer) or "?" in issuer:
        raise Misuse("the issuer must be an https address without query and fragment, or http on loopback")
    if not audience:
        raise Misuse("the audience is the API's identifier and cannot be empty")
    if (
        isinstance(algorithms, str)
        or not algorithms
        or not jwt.VERIFICATION_ALGORITHMS.issuperset(algorithms)
    ):
        raise Misuse("algorithms is a list of asymmetric signature algorithms")
    if leeway < timedelta(0):
        raise Misuse("the leeway cannot be negative")
