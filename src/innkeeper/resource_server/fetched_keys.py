"""Public keys that somebody publishes, read and kept: one loader, a pause between two questions (RFC 7517 §5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from innkeeper.jose.jwks import KeySet
from innkeeper.oauth.errors import TemporarilyUnavailable

Clock: TypeAlias = Callable[[], datetime]
Read: TypeAlias = Callable[[], Awaitable[bytes]]
"""Answers the document as it is today, or raises whatever it likes."""

# A stranger can name a new random key in every request. Without a pause, each would make us ask the publisher.
COOLDOWN: Final = timedelta(seconds=30)
# While there is no key at all nothing can be answered, so we ask again sooner.
FIRST_KEYS_COOLDOWN: Final = timedelta(seconds=1)
# A key that the publisher has withdrawn is believed for this long.
REFRESHED_AFTER: Final = timedelta(minutes=5)
# Without any answer from the publisher, old keys are believed for this long: an outage is no pardon.
KEPT_WITHOUT_ANSWER: Final = timedelta(hours=24)
LOAD_TIMEOUT_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class FetchedKeys:
    """A cache with one loader: of all that wait, one asks. Old keys stay until there are new ones."""

    def __init__(
        self,
        publisher: str,
        read: Read,
        clock: Clock,
        *,
        parse: Callable[[bytes], KeySet] = KeySet.parse,
        first_keys_cooldown: timedelta = FIRST_KEYS_COOLDOWN,
    ) -> None:
        """`publisher` is a name for the log."""
        self._publisher = publisher
        self._read = read
        self._clock = clock
        self._parse = parse
        self._first_keys_cooldown = first_keys_cooldown
        self._document = b""
        self._keys: KeySet | None = None
        self._answered_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._loading: asyncio.Task[None] | None = None

    async def current(self) -> KeySet:
        """The keys to try first. Asks when there are none; when they are old, asks in the background."""
        if not self._is_younger(self._answered_at, KEPT_WITHOUT_ANSWER):
            await self._load_once(self._first_keys_cooldown)
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
                self._accept(await self._read())
        except Exception as cause:  # a transport may raise anything, and old keys are better than none
            _log.warning(
                "the keys of %s could not be read: %s: %s", self._publisher, type(cause).__name__, cause
            )

    def _accept(self, document: bytes) -> None:
        """The same document keeps the same KeySet, and with it everything that was verified by it."""
        if self._keys is None or document != self._document:
            keys = self._parse(document)
            if not len(keys):
                raise ValueError("there is no usable key among them")
            self._keys, self._document = keys, document
        self._answered_at = self._clock()

    def _is_younger(self, instant: datetime | None, age: timedelta) -> bool:
        """An instant in the future is not young: a clock that was set back must not stop us from asking."""
        return instant is not None and timedelta(0) <= self._clock() - instant < age
