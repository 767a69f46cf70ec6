"""The public keys of an app (RFC 7523 §2.2): taken from a file, added beside those it has, removed by name."""

from datetime import datetime, timedelta

import msgspec

from innkeeper.jose import jwk
from innkeeper.jose.errors import KeyRefused
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.client import ClientKey


def taken(document: bytes, *, now: datetime, lasts: timedelta | None = None) -> tuple[ClientKey, ...]:
    """What a PEM file, a JWK or a JWK Set holds. A private key is refused: it belongs to the app alone."""
    try:
        found = jwk.from_pem_or_jwk(document)
    except KeyRefused as refused:
        raise Refused(f"No key was taken: {refused}.") from refused
    expires_at = None if lasts is None else now + lasts
    return tuple(
        ClientKey(jwk=msgspec.json.encode(key), created_at=now, expires_at=expires_at) for key in found
    )


def changed(
    before: tuple[ClientKey, ...],
    *,
    added: tuple[ClientKey, ...],
    removed: tuple[str, ...],
    now: datetime,
    owner: str = "app",
) -> tuple[ClientKey, ...]:
    """A new key takes the place of one of its name; those that have ended go with the next change."""
    missing = set(removed) - {key.kid for key in before}
    if missing:
        known = ", ".join(key.kid for key in before) or "none"
        raise Refused(f"The {owner} has no key {min(missing)!r}. It has: {known}.")
    gone = {*removed, *(key.kid for key in added)}
    if not gone:
        return before
    living = (key for key in before if key.expires_at is None or now < key.expires_at)
    return (*(key for key in living if key.kid not in gone), *added)
