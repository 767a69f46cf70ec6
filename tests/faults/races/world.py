"""One state and the doors to it: apps, people and keys that the races need, on any store, opened by any process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from unittest.mock import patch

from innkeeper.jose.hashes import sha256
from innkeeper.server import app
from innkeeper.server.config import Settings
from innkeeper.server.flows import first_administrator
from innkeeper.server.flows.client_authentication import sealed_for
from innkeeper.server.flows.keys import new_record
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.services import Services
from innkeeper.server.identity.identifiers import identifiers_of
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import ApiGrant, Client, ClientSecret, RefreshPolicy
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import IssuerName
from innkeeper.server.model.trusted_issuer import BringingApp, TrustedIssuer
from innkeeper.server.model.user import User
from innkeeper.server.protocol.grants import client_credentials, jwt_bearer
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.memory.store import MemoryStore
from innkeeper.server.storage.postgresql import PostgresStore
from innkeeper.server.storage.postgresql import open_store as open_postgres
from innkeeper.server.storage.postgresql.troubles import Troubles
from innkeeper.server.storage.sqlite.store import SqliteStore, open_store
from tests.assertions import a_key
from tests.television import TELEVISION
from tests.world import (
    EMPLOYEE,
    ISSUER,
    MASTER,
    SECRET,
    TIMESHEETS,
    FastPasswords,
    a_client,
    a_public_client,
    a_user,
)

Role = Literal["serving", "command"]
AnyStore = MemoryStore | SqliteStore | PostgresStore
BATCHING: Final = "batching "
PARTNER: Final = IssuerName("https://partner.example.test")
READ: Final = (ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),)
# So many that no one of them comes near the most refresh tokens that a person may hold.
PEOPLE: Final = 16
CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE: Final[dict[str, Any]] = {
    "type": "m2m",
    "redirect_uris": (),
    "response_types": (),
    "api_grants": READ,
}


class Silent:
    """An event sink that forgets: what counts is in the store."""

    def emit(self, event: Event) -> None:
        """Told to nobody."""


async def open_at(address: str, role: Role) -> AnyStore:
    """`memory`, a DSN, `BATCHING` and a DSN, or the path of an SQLite file."""
    if address == "memory":
        return a_hesitant_memory()
    if store_of(address) == "postgresql":
        dsn = address.removeprefix(BATCHING)
        store = await open_postgres(dsn, batching=dsn != address)
        # A node that has just lost an answer would not say for seconds who was second: judged here is what it knows.
        store._transitions.troubles = Forgetful()
        return store
    return await asyncio.to_thread(open_store, Path(address), role=role)


class Forgetful(Troubles):
    """Nothing was ever wrong."""

    def note(self) -> None:
        """Not here."""


def store_of(address: str) -> str:
    """What kind of store that is."""
    if address.removeprefix(BATCHING).startswith("postgresql:"):
        return "postgresql"
    return "memory" if address == "memory" else "sqlite"


def a_hesitant_memory() -> MemoryStore:
    """No method of the memory store suspends: without a pause after each read its rivals would come one by one."""
    store = MemoryStore()
    for noun, name in (
        (store.codes, "read"), (store.refresh_families, "read"), (store.device_codes, "read"),
        (store.links, "get"), (store.consents, "of"),
    ):  # fmt: skip
        setattr(noun, name, _hesitating(getattr(noun, name)))
    return store


def _hesitating(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def hesitate(*arguments: Any) -> Any:
        found = await read(*arguments)
        await asyncio.sleep(0)
        return found

    return hesitate


async def services_on(store: AnyStore) -> Services:
    """A node on this state."""
    services = await app.open_services(Settings(issuer=ISSUER), store, MASTER, events=Silent())
    return dataclasses.replace(services, passwords=FastPasswords())


@contextmanager
def any_password() -> Iterator[None]:
    """How hard one is to guess takes milliseconds to say, and is not what is raced for."""
    with patch.object(first_administrator, "problem_with", return_value=None):
        yield


async def prepare(store: Store, at_rest: Seals | None = None) -> None:
    """Everything but what is raced for. Once per state."""
    at_rest = at_rest or Seals(MASTER, "", os.urandom)
    key = new_record("ES256", at_rest, published_at=CREATED, activates_at=CREATED)
    await store.signing_keys.put([key], expected=(), events=())
    api = Api(
        identifier=TIMESHEETS,
        name="Timesheets",
        scopes=(ApiScope(value="read:timesheets"),),
        enforce_rbac=True,
        allow_offline_access=True,
    )
    await store.apis.create(api, events=())
    await store.roles.create(EMPLOYEE, events=())
    for client in clients(at_rest):
        await store.clients.create(client, events=())
    for user in people():
        await store.users.create(user, identifiers=identifiers_of(user), password=None, events=())
    bringing = BringingApp(client_id=clients(at_rest)[-1].client_id, since=CREATED)
    partner = TrustedIssuer(issuer=PARTNER, keys=(a_key(),), apps=(bringing,))
    await store.trusted_issuers.create(partner, events=())


def people() -> tuple[User, ...]:
    """Alike but for their names."""
    return tuple(
        a_user(f"person-{number}", created_at=CREATED, updated_at=CREATED) for number in range(PEOPLE)
    )


def clients(at_rest: Seals) -> tuple[Client, ...]:
    """`web` forgives nothing; `tabs` has an overlap; `tv` waits; `cron` signs; `bridge` brings statements."""
    refreshing: dict[str, Any] = {
        "grant_types": ("authorization_code", "refresh_token"),
        "created_at": CREATED,
    }
    sealed = at_rest.seal("at-rest", SECRET.encode(), associated=sealed_for("cron"))
    secret = ClientSecret(digest=sha256(SECRET.encode()), created_at=CREATED, sealed=sealed)
    return (
        a_client("web", refresh=RefreshPolicy(overlap=timedelta()), **refreshing),
        a_client("tabs", refresh=RefreshPolicy(overlap=timedelta(minutes=5)), **refreshing),
        a_public_client("tv", **TELEVISION, created_at=CREATED),
        a_client(
            "cron", token_endpoint_auth_method="client_secret_jwt", secrets=(secret,),
            grant_types=(client_credentials.ClientCredentials.name,), created_at=CREATED, **MACHINE,
        ),
        a_client("bridge", grant_types=(jwt_bearer.JwtBearer.name,), created_at=CREATED, **MACHINE),
    )  # fmt: skip
