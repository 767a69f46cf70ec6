"""The issuer's public keys, found by discovery and kept (RFC 8414 §3, RFC 7517 §5)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from innkeeper.jose import strict_json
from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.metadata import well_known_urls
from innkeeper.resource_server.fetch import MAX_DOCUMENT_BYTES, Fetch, is_trustworthy_address
from innkeeper.resource_server.fetched_keys import Clock, FetchedKeys

_log = logging.getLogger(__name__)


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
                self._jwks_uri = await self._discover()
            document = _bounded(await self._fetch(self._jwks_uri))
            if not len(KeySet.parse(document)):
                raise ValueError("the issuer published no usable key")
        except BaseException:
            self._jwks_uri = None
            raise
        return document

    async def _discover(self) -> str:
        metadata = strict_json.parse_object(await self._metadata())
        # A document of another issuer would hand its keys to us (RFC 8414 §3.3).
        if metadata.get("issuer") != self._issuer:
            raise ValueError("the metadata names another issuer")
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str) or not is_trustworthy_address(jwks_uri):
            raise ValueError("the metadata names no jwks_uri that can be trusted")
        return jwks_uri

    async def _metadata(self) -> bytes:
        *earlier, last = well_known_urls(self._issuer)
        for url in earlier:
            try:
                return _bounded(await self._fetch(url))
            except Exception as cause:
                _log.debug("no metadata at %s: %s", url, cause)
        return _bounded(await self._fetch(last))


def _bounded(document: bytes) -> bytes:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError("the document is too large")
    return document
