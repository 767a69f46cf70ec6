"""The public keys of apps: registered with them, or published by them at their `jwks_uri` (RFC 7591 §2)."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from innkeeper.jose import jwk
from innkeeper.jose.errors import KeyRefused
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.strict_json import parse_object
from innkeeper.oauth.errors import TemporarilyUnavailable
from innkeeper.resource_server.fetched_keys import COOLDOWN, Clock, FetchedKeys
from innkeeper.server.flows.foreign_documents import ReadDocument
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ClientId

MAX_CLIENTS: Final = 1_000
MAX_PUBLISHED_KEYS: Final = 20
_NO_KEYS: Final = KeySet(())


class ClientKeys:
    """Parsed once and kept, for a bounded number of apps."""

    def __init__(self, read: ReadDocument, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._registered: OrderedDict[ClientId, tuple[tuple[bytes, ...], KeySet]] = OrderedDict()
        self._published: OrderedDict[tuple[ClientId, str], FetchedKeys] = OrderedDict()

    async def of(self, client: Client, *, alg: str, kid: object, now: datetime) -> KeySet:
        """The living keys. Those at `jwks_uri` are asked for when the registered ones have no such key.

        Somebody who names a new `kid` in every request makes us ask once per pause (DO-14). An address that does not
        answer is an app without keys: what the caller is told is the same.
        """
        registered = self._of_record(client, now)
        if client.jwks_uri is None or _has(registered, alg, kid):
            return registered
        published = self._at(client.client_id, client.jwks_uri)
        try:
            keys = await published.current()
        except TemporarilyUnavailable:
            return registered
        if not _has(keys, alg, kid):
            keys = await published.newer_than(keys) or keys
        return keys

    def _of_record(self, client: Client, now: datetime) -> KeySet:
        living = tuple(key.jwk for key in client.keys if key.expires_at is None or now < key.expires_at)
        if not living:
            return _NO_KEYS
        known = self._registered.get(client.client_id)
        if known is None or known[0] != living:
            known = (living, KeySet(msgspec.json.decode(key) for key in living))
            _remember(self._registered, client.client_id, known)
        return known[1]

    def _at(self, client_id: ClientId, jwks_uri: str) -> FetchedKeys:
        known = self._published.get((client_id, jwks_uri))
        if known is None:
            known = FetchedKeys(
                f"the app {client_id}",
                partial(self._read, jwks_uri),
                self._clock,
                parse=published_keys,
                first_keys_cooldown=COOLDOWN,
            )
            _remember(self._published, (client_id, jwks_uri), known)
        return known


def published_keys(document: bytes) -> KeySet:
    """A JWK Set as apps publish it: a key without a name gets its thumbprint. ValueError when it is none."""
    keys = parse_object(document).get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_PUBLISHED_KEYS:
        raise ValueError(f"a key set has a member `keys` with at most {MAX_PUBLISHED_KEYS} keys")
    return KeySet(_named(key) for key in keys if isinstance(key, dict))


def _named(key: Mapping[str, object]) -> Mapping[str, object]:
    if "kid" in key:
        return key
    try:
        return {**key, "kid": jwk.thumbprint(key)}
    except (KeyRefused, KeyError, TypeError):
        return key  # it is no key that we can use, and is left out


def _has(keys: KeySet, alg: str, kid: object) -> bool:
    return (keys.find(kid, alg) if isinstance(kid, str) else keys.only(alg)) is not None


def _remember(kept: OrderedDict[Any, Any], key: object, value: object) -> None:
    kept[key] = value
    if len(kept) > MAX_CLIENTS:
        kept.popitem(last=False)
