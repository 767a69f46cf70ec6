"""Tokens that were verified a moment ago: a busy API checks one signature per token, not one per request."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from innkeeper.jose.hashes import sha256
from innkeeper.jose.jwks import KeySet
from innkeeper.resource_server.access_token import AccessToken

MAX_TOKENS: Final = 1024


class VerifiedTokens:
    """Bounded, oldest out first. Keeps digests, so that memory holds no token; forgets all with the keys."""

    def __init__(self, max_tokens: int = MAX_TOKENS) -> None:
        self._max_tokens = max_tokens
        self._keys: KeySet | None = None
        self._by_digest: dict[bytes, AccessToken] = {}

    def find(self, token: str, keys: KeySet, *, expires_after: datetime) -> AccessToken | None:
        if keys is not self._keys:
            return None
        digest = sha256(token.encode())
        found = self._by_digest.get(digest)
        if found is None or found.expires_at > expires_after:
            return found
        del self._by_digest[digest]
        return None

    def remember(self, token: str, keys: KeySet, access_token: AccessToken) -> None:
        if keys is not self._keys:
            self._keys = keys
            self._by_digest.clear()
        elif len(self._by_digest) >= self._max_tokens:
            del self._by_digest[next(iter(self._by_digest))]
        self._by_digest[sha256(token.encode())] = access_token

    def __len__(self) -> int:
        return len(self._by_digest)
