"""Applications (RFC 6749 §2): created with safe defaults for their type, changed, given secrets, deleted."""

import re
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.jose import base64url
from innkeeper.jose.hashes import sha256
from innkeeper.server.flows.administer import client_rules
from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import (
    ApiGrant,
    Client,
    ClientAuthMethod,
    ClientSecret,
    ClientType,
    RefreshPolicy,
    SigningAlgorithm,
)
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import Conflict, Missing

CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
SECRET_BYTES: Final = 32
DEFAULT_OVERLAP: Final = timedelta(hours=24)
_AUTH_METHOD: Final[dict[ClientType, ClientAuthMethod]] = {
    "regular_web": "client_secret_basic",
    "m2m": "client_secret_basic",
    "spa": "none",
    "native": "none",
}


class RefreshChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of an app's `RefreshPolicy`; None leaves a value as it is."""

    rotation: bool | None = None
    overlap: timedelta | None = None
    idle: timedelta | None = None
    absolute: timedelta | None = None


class NewClient(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; None takes the default of the type."""

    client_id: str
    type: ClientType
    name: str | None = None
    redirect_uris: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] | None = None
    initiate_login_uri: str | None = None
    is_first_party: bool = True
    publisher: str | None = None
    auth_method: ClientAuthMethod | None = None
    id_token_signed_response_alg: SigningAlgorithm | None = None
    id_token_profile: bool | None = None
    grant_types: tuple[str, ...] | None = None
    api_grants: tuple[ApiGrant, ...] = ()
    refresh: RefreshChanges = RefreshChanges()


class ClientChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves a value as it is. Whether an app is first-party is fixed at creation."""

    name: str | None = None
    publisher: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    allowed_origins: tuple[str, ...] | None = None
    initiate_login_uri: str | None = None
    auth_method: ClientAuthMethod | None = None
    id_token_signed_response_alg: SigningAlgorithm | None = None
    id_token_profile: bool | None = None
    grant_types: tuple[str, ...] | None = None
    api_grants: tuple[ApiGrant, ...] | None = None
    require_pkce: bool | None = None
    is_enabled: bool | None = None
    refresh: RefreshChanges = RefreshChanges()


async def find(services: Services, client_id: str) -> Client:
    """The app, or `Refused` with the remedy."""
    client = await services.store.clients.get(ClientId(client_id))
    if client is None:
        raise Refused(f"There is no app {client_id!r}. `innkeeper app list` shows them.")
    return client


async def create(services: Services, wanted: NewClient) -> tuple[Client, str | None]:
    """The app and its secret, which is nowhere else in clear; public types have none."""
    if CLIENT_ID.fullmatch(wanted.client_id) is None:
        # A person's `sub` holds a bar, so no app can ever pass for a person (B11).
        raise Refused("An app's id has 1 to 64 letters, digits, dots, hyphens and underscores.")
    now = services.clock.now()
    method = wanted.auth_method or _AUTH_METHOD[wanted.type]
    secret = None if method == "none" else _new_secret(services)
    client = Client(
        client_id=ClientId(wanted.client_id),
        name=wanted.name or wanted.client_id,
        type=wanted.type,
        created_at=now,
        token_endpoint_auth_method=method,
        is_first_party=wanted.is_first_party,
        publisher=wanted.publisher,
        secrets=() if secret is None else (_record_of(secret, now),),
        redirect_uris=wanted.redirect_uris,
        allowed_origins=client_rules.origins(wanted.type, wanted.redirect_uris, wanted.allowed_origins),
        initiate_login_uri=wanted.initiate_login_uri,
        grant_types=client_rules.grant_types(wanted.type, wanted.grant_types, services.grants),
        api_grants=wanted.api_grants,
        id_token_signed_response_alg=wanted.id_token_signed_response_alg or "RS256",
        id_token_profile=wanted.id_token_profile is not False,
        refresh=_refresh_policy(wanted.type, wanted.refresh),
    )
    client = client_rules.with_response_types(client)
    client_rules.check(client, services.grants, (await services.store.registry.snapshot()).apis)
    events = changed(services, "client", client.client_id, "created")
    if isinstance(await services.store.clients.create(client, events=events), Conflict):
        raise Refused(
            f"The app {client.client_id!r} exists already."
            f" `innkeeper app change {client.client_id}` changes it."
        )
    return client, secret


async def change(services: Services, client_id: str, changes: ClientChanges) -> Client:
    """Effective on the running server within one second."""
    apis = (await services.store.registry.snapshot()).apis

    def decide(client: Client) -> Client:
        after = client_rules.with_response_types(_applied(client, changes, services.clock.now()))
        client_rules.check(after, services.grants, apis)
        return after

    return await replace(
        lambda: find(services, client_id),
        decide,
        lambda client: services.store.clients.replace(
            client, events=changed(services, "client", client_id, "changed")
        ),
    )


async def rotate_secret(services: Services, client_id: str, *, keep_old: timedelta) -> tuple[Client, str]:
    """A new secret; the youngest old one works for `keep_old` more: no call fails meanwhile (R-CA4)."""
    now = services.clock.now()
    secret = _new_secret(services)

    def decide(client: Client) -> Client:
        if client.is_public:
            raise Refused(
                f"{client_id} is a public app ({client.type}): it cannot keep a secret and has none."
            )
        return with_changes(
            client, secrets=(_record_of(secret, now), *_ending(client.secrets, now, keep_old))
        )

    client = await replace(
        lambda: find(services, client_id),
        decide,
        lambda client: services.store.clients.replace(
            client, events=changed(services, "client", client_id, "secret rotated")
        ),
    )
    return client, secret


async def delete(services: Services, client_id: str) -> None:
    """Everything the app was given ends with it."""
    events = changed(services, "client", client_id, "deleted")
    if isinstance(await services.store.clients.delete(ClientId(client_id), events=events), Missing):
        raise Refused(f"There is no app {client_id!r}. `innkeeper app list` shows them.")


def is_secret_of(client: Client, secret: str, now: datetime) -> bool:
    """For `innkeeper dev`, which shows a secret it has kept only while it is the app's."""
    digest = sha256(secret.encode())
    return any(
        known.digest == digest and (known.expires_at is None or now < known.expires_at)
        for known in client.secrets
    )


def _applied(client: Client, changes: ClientChanges, now: datetime) -> Client:
    given = _given(changes)
    method = given.pop("auth_method", None)
    if method is not None:
        if (method == "none") != client.is_public:
            raise Refused("An app cannot turn public or confidential later: create a new one.")
        given["token_endpoint_auth_method"] = method
    if "redirect_uris" in given and "allowed_origins" not in given and client.type == "spa":
        given["allowed_origins"] = _moved_origins(client, given["redirect_uris"])
    given["refresh"] = with_changes(client.refresh, **_given(changes.refresh))
    if given.get("is_enabled") is False and client.is_enabled:
        given |= {"epoch": client.epoch + 1, "tokens_not_before": now}
    return with_changes(client, **given)


def _given(changes: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}


def _refresh_policy(client_type: ClientType, asked: RefreshChanges) -> RefreshPolicy:
    """By type; a lifetime that is named alone brings the idle limit below it along."""
    policy = client_rules.refresh_policy(client_type)
    given = _given(asked)
    if asked.absolute is not None and asked.idle is None:
        given["idle"] = min(policy.idle, asked.absolute)
    return with_changes(policy, **given)


def _moved_origins(client: Client, redirect_uris: tuple[str, ...]) -> tuple[str, ...]:
    """Origins that came from the old callbacks follow the new ones; those set by hand stay."""
    derived = client_rules.origins("spa", client.redirect_uris, None)
    by_hand = tuple(origin for origin in client.allowed_origins if origin not in derived)
    return tuple(dict.fromkeys(by_hand + client_rules.origins("spa", redirect_uris, None)))


def _new_secret(services: Services) -> str:
    return "ik_cs_" + base64url.encode(services.entropy.random(SECRET_BYTES))


def _record_of(secret: str, now: datetime) -> ClientSecret:
    return ClientSecret(digest=sha256(secret.encode()), created_at=now)


def _ending(
    secrets: tuple[ClientSecret, ...], now: datetime, keep_old: timedelta
) -> tuple[ClientSecret, ...]:
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
