"""Secrets of apps: 256 random bits, kept as a digest; sealed beside it only where the app signs with it (R-CA4)."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace as with_changes

from innkeeper.jose import base64url
from innkeeper.jose.hashes import sha256
from innkeeper.server.flows.client_authentication import sealed_for
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client, ClientSecret

SECRET_BYTES: Final = 32


def new(services: Services) -> str:
    """To be shown once."""
    return "ik_cs_" + base64url.encode(services.entropy.random(SECRET_BYTES))


def record_of(secret: str, client: Client, services: Services) -> ClientSecret:
    """What the store keeps. A MAC can only be checked with the secret itself (OIDC Core §9), so that is sealed."""
    sealed = None
    if client.token_endpoint_auth_method == "client_secret_jwt":
        sealed = services.at_rest.seal("at-rest", secret.encode(), associated=sealed_for(client.client_id))
    return ClientSecret(digest=sha256(secret.encode()), created_at=services.clock.now(), sealed=sealed)


def unsealed(secrets: tuple[ClientSecret, ...]) -> tuple[ClientSecret, ...]:
    """Without what no other method needs: a digest is enough to compare."""
    return tuple(with_changes(secret, sealed=None) for secret in secrets)


def ending(secrets: tuple[ClientSecret, ...], now: datetime, keep_old: timedelta) -> tuple[ClientSecret, ...]:
    """Two may be alive: the youngest of the old ones ends soon, the others at once."""
    alive = sorted(
        (secret for secret in secrets if secret.expires_at is None or now < secret.expires_at),
        key=lambda secret: secret.created_at,
    )
    if not alive or not keep_old:
        return ()
    latest = now + keep_old
    expires_at = min(alive[-1].expires_at or latest, latest)
    return (with_changes(alive[-1], expires_at=expires_at),)
