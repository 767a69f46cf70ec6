"""Applications (RFC 6749 §2): created with safe defaults for their type, changed, given secrets, deleted."""

import re
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace as with_changes

from innkeeper.jose.hashes import sha256
from innkeeper.server.flows.administer import client_rules, client_secrets, client_settings, password_grants
from innkeeper.server.flows.administer.client_settings import ClientChanges as ClientChanges
from innkeeper.server.flows.administer.client_settings import NewClient as NewClient
from innkeeper.server.flows.administer.client_settings import RefreshChanges as RefreshChanges
from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import Conflict, Missing

CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLOCKS_DIFFER: Final = timedelta(seconds=2)
"""Between whoever administers and the node that issues a token, and what `iat` lacks of a second."""
DEFAULT_OVERLAP: Final = timedelta(hours=24)


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
    client = _new(wanted, services.grants, now)
    has_secret = client.token_endpoint_auth_method in client_rules.SECRET_METHODS
    secret = client_secrets.new(services) if has_secret else None
    if secret is not None:
        client = with_changes(client, secrets=(client_secrets.record_of(secret, client, services),))
    apis = (await services.store.registry.snapshot()).apis
    client_rules.check(client, services.grants, apis, is_dev=services.settings.dev)
    taken_on = password_grants.acknowledged(
        None, client, said=wanted.acknowledges_password_grant, settings=services.settings.legacy, now=now
    )
    events = (*changed(services, "client", client.client_id, "created"), *taken_on)
    if isinstance(await services.store.clients.create(client, events=events), Conflict):
        raise Refused(
            f"The app {client.client_id!r} exists already."
            f" `innkeeper app change {client.client_id}` changes it."
        )
    return client, secret


async def change(services: Services, client_id: str, changes: ClientChanges) -> Client:
    """Effective on the running server within one second."""
    apis = (await services.store.registry.snapshot()).apis
    taken_on: tuple[Event, ...] = ()

    def decide(client: Client) -> Client:
        nonlocal taken_on
        now, said = services.clock.now(), changes.acknowledges_password_grant
        after = _changed(client, changes, now)
        client_rules.check(after, services.grants, apis, is_dev=services.settings.dev)
        taken_on = password_grants.acknowledged(
            client, after, said=said, settings=services.settings.legacy, now=now
        )
        return after

    return await replace(
        services.store,
        lambda: find(services, client_id),
        decide,
        lambda client: services.store.clients.replace(
            client, events=(*changed(services, "client", client_id, "changed"), *taken_on)
        ),
    )


async def rotate_secret(services: Services, client_id: str, *, keep_old: timedelta) -> tuple[Client, str]:
    """A new secret; the youngest old one works for `keep_old` more: no call fails meanwhile (R-CA4)."""
    now = services.clock.now()
    secret = client_secrets.new(services)

    def decide(client: Client) -> Client:
        if client.is_public:
            raise Refused(
                f"{client_id} is a public app ({client.type}): it cannot keep a secret and has none."
            )
        added = client_secrets.record_of(secret, client, services)
        return with_changes(client, secrets=(added, *client_secrets.ending(client.secrets, now, keep_old)))

    client = await replace(
        services.store,
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


def _new(wanted: NewClient, grants: client_rules.Grants, now: datetime) -> Client:
    """The safe defaults of the type, then what was asked for (R-AP1)."""
    defaults = Client(
        client_id=ClientId(wanted.client_id),
        name=wanted.client_id,
        type=wanted.type,
        created_at=now,
        # Another app may have had this name in what a restore has undone.
        tokens_not_before=now - CLOCKS_DIFFER,
        token_endpoint_auth_method=client_settings.AUTH_METHOD[wanted.type],
        is_first_party=wanted.is_first_party,
        allowed_origins=client_rules.origins(wanted.type, wanted.redirect_uris or ()),
        grant_types=client_rules.grant_types(wanted.type, grants),
        refresh=client_settings.refresh_policy(wanted.type, wanted.refresh),
    )
    return client_settings.applied(defaults, wanted, now)


def _changed(client: Client, changes: ClientChanges, now: datetime) -> Client:
    """Disabling ends everything issued so far; so does calling people by other names (OIDC Core §12.2)."""
    after = client_settings.applied(client, changes, now)
    if after.is_public != client.is_public:
        raise Refused("An app cannot turn public or confidential later: create a new one.")
    if client.type == "spa" and changes.redirect_uris is not None and changes.allowed_origins is None:
        after = with_changes(after, allowed_origins=_moved_origins(client, changes.redirect_uris))
    if after.token_endpoint_auth_method == "private_key_jwt" != client.token_endpoint_auth_method:
        # Whoever still has the old secret can do nothing with it, now or after a change back.
        after = with_changes(after, secrets=())
    if after.token_endpoint_auth_method != "client_secret_jwt":
        after = with_changes(after, secrets=client_secrets.unsealed(after.secrets))
    if changes.is_enabled is not None:
        after = with_changes(after, is_enabled=changes.is_enabled)
    is_disabled = client.is_enabled and not after.is_enabled
    if is_disabled or _naming(after) != _naming(client):
        after = with_changes(after, epoch=client.epoch + 1, tokens_not_before=now - CLOCKS_DIFFER)
    return after


def _naming(client: Client) -> tuple[str, str | None]:
    """What decides by which `sub` it knows a person."""
    return client.subject_type, client.sector_identifier


def _moved_origins(client: Client, redirect_uris: tuple[str, ...]) -> tuple[str, ...]:
    """Origins that came from the old callbacks follow the new ones; those set by hand stay."""
    derived = client_rules.origins("spa", client.redirect_uris)
    by_hand = tuple(origin for origin in client.allowed_origins if origin not in derived)
    return tuple(dict.fromkeys(by_hand + client_rules.origins("spa", redirect_uris)))
