"""The public keys of apps and trusted issuers: registered, or published at their `jwks_uri` (RFC 7591 §2)."""

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
from innkeeper.server.model.client import Client, ClientKey
from innkeeper.server.model.identifiers import ClientId, IssuerName
from innkeeper.server.model.trusted_issuer import TrustedIssuer

MAX_CLIENTS: Final = 1_000
MAX_PUBLISHED_KEYS: Final = 20
_NO_KEYS: Final = KeySet(())


Owner = tuple[str, ClientId | IssuerName]
"""What it is, and its name: an app called like an issuer has keys of its own."""


class ClientKeys:
    """Parsed once and kept, for a bounded number of owners."""

    def __init__(self, read: ReadDocument, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._registered: OrderedDict[Owner, tuple[tuple[bytes, ...], KeySet]] = OrderedDict()
        self._published: OrderedDict[tuple[Owner, str], FetchedKeys] = OrderedDict()

    async def of(self, client: Client, *, alg: str, kid: object, now: datetime) -> KeySet:
        """An app's living keys."""
        registered = self._living(("app", client.client_id), client.keys, now)
        return await self._with_published(("app", client.client_id), registered, client.jwks_uri, alg, kid)

    async def of_issuer(self, issuer: TrustedIssuer, *, alg: str, kid: object, now: datetime) -> KeySet:
        """A trusted issuer's living keys, by the same rules."""
        registered = self._living(("issuer", issuer.issuer), issuer.keys, now)
        return await self._with_published(("issuer", issuer.issuer), registered, issuer.jwks_uri, alg, kid)

    async def _with_published(
        self, owner: Owner, registered: KeySet, jwks_uri: str | None, alg: str, kid: object
    ) -> KeySet:
        """Those at `jwks_uri` are asked for when the registered ones have no such key.

        Somebody who names a new `kid` in every request makes us ask once per pause (DO-14). An address that does not
        answer is an owner without keys: what the caller is told is the same.
        """
        if jwks_uri is None or _has(registered, alg, kid):
            return registered
        published = self._at(owner, jwks_uri)
        try:
            keys = await published.current()
        except TemporarilyUnavailable:
            return registered
        if not _has(keys, alg, kid):
            keys = await published.newer_than(keys) or keys
        return keys

    def _living(self, owner: Owner, keys: tuple[ClientKey, ...], now: datetime) -> KeySet:
        living = tuple(key.jwk for key in keys if key.expires_at is None or now < key.expires_at)
        if not living:
            return _NO_KEYS
        known = self._registered.get(owner)
        if known is None or known[0] != living:
            known = (living, KeySet(msgspec.json.decode(key) for key in living))
            _remember(self._registered, owner, known)
        return known[1]

    def _at(self, owner: Owner, jwks_uri: str) -> FetchedKeys:
        known = self._published.get((owner, jwks_uri))
        if known is None:
            known = FetchedKeys(
                f"the {owner[0]} {owner[1]}",
                partial(self._read, jwks_uri),
                self._clock,
                parse=published_keys,
                first_keys_cooldown=COOLDOWN,
            )
            _remember(self._published, (owner, jwks_uri), known)
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
