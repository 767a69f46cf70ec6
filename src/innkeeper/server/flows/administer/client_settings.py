"""What can be said of an app (RFC 7591 §2), each thing once: at its creation and at every change."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.server.flows.administer import client_keys, client_rules
from innkeeper.server.model.client import (
    ApiGrant,
    Client,
    ClientAuthMethod,
    ClientKey,
    ClientType,
    RefreshPolicy,
    SigningAlgorithm,
)
from innkeeper.server.model.identifiers import ApiIdentifier

AUTH_METHOD: Final[dict[ClientType, ClientAuthMethod]] = {
    "regular_web": "client_secret_basic",
    "m2m": "client_secret_basic",
    "spa": "none",
    "native": "none",
}
_OPTIONAL_TEXTS: Final = frozenset({"publisher", "initiate_login_uri", "sector_identifier", "jwks_uri"})


class RefreshChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to set of an app's `RefreshPolicy`; None leaves a value as it is."""

    rotation: bool | None = None
    overlap: timedelta | None = None
    idle: timedelta | None = None
    absolute: timedelta | None = None
    apis: tuple[ApiIdentifier, ...] | None = None


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """None: the default of the app's type, or what it was. An empty text takes an optional value away.

    A field is named after the record's, so that it is set by being here.
    """

    name: str | None = None
    publisher: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    post_logout_redirect_uris: tuple[str, ...] | None = None
    allowed_origins: tuple[str, ...] | None = None
    initiate_login_uri: str | None = None
    token_endpoint_auth_method: ClientAuthMethod | None = None
    grant_types: tuple[str, ...] | None = None
    api_grants: tuple[ApiGrant, ...] | None = None
    require_pkce: bool | None = None
    id_token_signed_response_alg: SigningAlgorithm | None = None
    id_token_profile: bool | None = None
    userinfo_signed_response_alg: SigningAlgorithm | Literal["none"] | None = None
    subject_type: Literal["public", "pairwise"] | None = None
    sector_identifier: str | None = None
    add_keys: tuple[ClientKey, ...] = ()
    remove_keys: tuple[str, ...] = ()
    jwks_uri: str | None = None
    accepts_endpoint_audience: bool | None = None
    resource_server_of: tuple[ApiIdentifier, ...] | None = None
    trusts_forwarded_for: bool | None = None
    allow_public_password_grant: bool | None = None
    refresh: RefreshChanges = RefreshChanges()


class NewClient(ClientSettings, frozen=True, kw_only=True):
    """An app that is asked for."""

    client_id: str
    type: ClientType
    is_first_party: bool = True
    acknowledges_password_grant: bool = False
    """Somebody knows what it means that this app takes passwords: said with the command that gives it the grant."""


class ClientChanges(ClientSettings, frozen=True, kw_only=True):
    """What to change. Whether an app is first-party is fixed at its creation."""

    is_enabled: bool | None = None
    acknowledges_password_grant: bool = False


def applied(client: Client, settings: ClientSettings, now: datetime) -> Client:
    """The record with what was said; whether it may say so is `client_rules.check`."""
    said = _said(settings, ClientSettings.__struct_fields__)
    added, removed = said.pop("add_keys"), said.pop("remove_keys")
    said["keys"] = client_keys.changed(client.keys, added=added, removed=removed, now=now)
    said["refresh"] = with_changes(
        client.refresh, **_said(settings.refresh, RefreshChanges.__struct_fields__)
    )
    for name in _OPTIONAL_TEXTS & said.keys():
        said[name] = said[name] or None
    if said.get("userinfo_signed_response_alg") == "none":
        said["userinfo_signed_response_alg"] = None
    return client_rules.with_response_types(with_changes(client, **said))


def refresh_policy(client_type: ClientType, asked: RefreshChanges) -> RefreshPolicy:
    """Of a new app, before what was asked: a lifetime named alone brings the idle limit below it along."""
    policy = client_rules.refresh_policy(client_type)
    if asked.absolute is None or asked.idle is not None:
        return policy
    return with_changes(policy, idle=min(policy.idle, asked.absolute))


def _said(settings: msgspec.Struct, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(settings, name)) is not None}
