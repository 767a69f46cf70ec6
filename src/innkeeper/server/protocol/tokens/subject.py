"""What a person is called towards a client: one name for all, or one for each sector (OIDC Core §8)."""

from typing import Final

from innkeeper.jose import base64url
from innkeeper.jose.hashes import hmac_sha256
from innkeeper.oauth import redirect_uri
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import Subject

SUBJECT_TYPES: Final = ("public", "pairwise")


def of(user_id: Subject, client: Client, key: bytes) -> str:
    """The `sub` of every token and answer for this client. `key` is secret and lasts as long as the database.

    Two clients of one sector see the same name; nobody without the key can tell whether two names are one person's.
    """
    if client.subject_type == "public":
        return user_id
    sector = sector_of(client) or client.client_id
    return "pw|" + base64url.encode(hmac_sha256(key, f"{sector}|{user_id}".encode()))


def sector_of(client: Client) -> str | None:
    """The host that names are made for: what is registered, or that of all its redirect URIs; None if they differ."""
    if client.sector_identifier is not None:
        return client.sector_identifier
    hosts = {host_of(uri) for uri in client.redirect_uris}
    return hosts.pop() if len(hosts) == 1 else None


def host_of(uri: str) -> str | None:
    """Without scheme and port; None for a private-use scheme."""
    origin = redirect_uri.origin_of(uri)
    return None if origin is None else origin.partition("://")[2].partition(":")[0]
