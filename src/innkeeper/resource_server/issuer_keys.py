"""The issuer's public keys, found by discovery and kept (RFC 8414 §3, RFC 7517 §5)."""

from __future__ import annotations

from datetime import UTC, datetime

from innkeeper.jose.jwks import KeySet
from innkeeper.resource_server import issuer_metadata
from innkeeper.resource_server.fetch import Fetch
from innkeeper.resource_server.fetched_keys import Clock, FetchedKeys


def now() -> datetime:
    """The clock of a guard that was given none."""
    return datetime.now(UTC)


class IssuerKeys:
    """The keys at the address that the issuer's metadata names; a failure there has it looked up again."""

    def __init__(self, issuer: str, fetch: Fetch, clock: Clock) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._jwks_uri: str | None = None
        self._keys = FetchedKeys(issuer, self._read, clock)

    async def current(self) -> KeySet:
        """The keys to try first. Raises `TemporarilyUnavailable` while there are none."""
        return await self._keys.current()

    async def newer_than(self, keys: KeySet) -> KeySet | None:
        """Other keys, for a token that names one these lack. None: there are none, or it is too soon."""
        return await self._keys.newer_than(keys)

    async def _read(self) -> bytes:
        try:
            if self._jwks_uri is None:
                metadata = await issuer_metadata.read(self._issuer, self._fetch)
                self._jwks_uri = issuer_metadata.address(metadata, "jwks_uri")
            document = issuer_metadata.bounded(await self._fetch(self._jwks_uri))
            if not len(KeySet.parse(document)):
                raise ValueError("the issuer published no usable key")
        except BaseException:
            self._jwks_uri = None
            raise
        return document
