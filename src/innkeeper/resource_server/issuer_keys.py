"""The issuer's public keys, found by discovery and kept (RFC 8414 §3, RFC 7517 §5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from innkeeper.jose import strict_json
from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.errors import TemporarilyUnavailable
from innkeeper.oauth.metadata import well_known_urls
from innkeeper.resource_server.fetch import MAX_DOCUMENT_BYTES, Fetch, is_trustworthy_address

Clock: TypeAlias = Callable[[], datetime]

# A stranger can name a new random key in every request. Without a pause, each would make us ask the issuer.
COOLDOWN: Final = timedelta(seconds=30)
# While there is no key at all nothing can be answered, so we ask again sooner.
FIRST_KEYS_COOLDOWN: Final = timedelta(seconds=1)
# A key that the issuer has withdrawn is believed for this long.
REFRESHED_AFTER: Final = timedelta(minutes=5)
# Without any answer from the issuer, old keys are believed for this long: an outage is no pardon.
KEPT_WITHOUT_ANSWER: Final = timedelta(hours=24)
LOAD_TIMEOUT_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


def now() -> datetime:
    """The clock of a guard that was given none."""
    return datetime.now(UTC)


class IssuerKeys:
    """A cache with one loader: of all that wait, one asks. Old keys stay until there are new ones."""

    def __init__(self, issuer: str, fetch: Fetch, clock: Clock) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._jwks_uri: str | None = None
        self._document = b""
        self._keys: KeySet | None = None
        self._answered_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._loading: asyncio.Task[None] | None = None

    async def current(self) -> KeySet:
        """The keys to try first. Asks when there are none; when they are old, asks in the background."""
        if not self._is_younger(self._answered_at, KEPT_WITHOUT_ANSWER):
            await self._load_once(FIRST_KEYS_COOLDOWN)
        elif not self._is_younger(self._answered_at, REFRESHED_AFTER):
            self._start_loading(COOLDOWN)
        if self._keys is None or not self._is_younger(self._answered_at, KEPT_WITHOUT_ANSWER):
            raise TemporarilyUnavailable("the keys of the issuer cannot be read at the moment")
        return self._keys

    async def newer_than(self, keys: KeySet) -> KeySet | None:
        """Other keys, for a token that names one these lack. None: there are none, or it is too soon."""
        if self._keys is keys:
            await self._load_once(COOLDOWN)
        return self._keys if self._keys is not keys else None

    async def _load_once(self, cooldown: timedelta) -> None:
        loading = self._start_loading(cooldown)
        if loading is not None:
            # A caller who goes away must not take the answer from all others who wait for it.
            await asyncio.shield(loading)

    def _start_loading(self, cooldown: timedelta) -> asyncio.Task[None] | None:
        if self._loading is not None and not self._loading.done():
            return self._loading
        if self._is_younger(self._asked_at, cooldown):
            return None
        self._asked_at = self._clock()
        self._loading = asyncio.create_task(self._load())
        return self._loading

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_SECONDS):
                self._accept(await self._read_keys())
        except Exception as cause:  # a transport may raise anything, and old keys are better than none
            self._jwks_uri = None
            _log.warning(
                "the keys of %s could not be read: %s: %s", self._issuer, type(cause).__name__, cause
            )

    async def _read_keys(self) -> bytes:
        if self._jwks_uri is None:
            self._jwks_uri = await self._discover()
        return _bounded(await self._fetch(self._jwks_uri))

    def _accept(self, document: bytes) -> None:
        """The same document keeps the same KeySet, and with it everything that was verified by it."""
        if self._keys is None or document != self._document:
            keys = KeySet.parse(document)
            if not len(keys):
                raise ValueError("the issuer published no usable key")
            self._keys, self._document = keys, document
        self._answered_at = self._clock()

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

    def _is_younger(self, instant: datetime | None, age: timedelta) -> bool:
        """An instant in the future is not young: a clock that was set back must not stop us from asking."""
        return instant is not None and timedelta(0) <= self._clock() - instant < age


def _bounded(document: bytes) -> bytes:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError("the document is too large")
    return document
