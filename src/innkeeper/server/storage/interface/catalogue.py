"""What is configured: clients, APIs, roles, directories, issuers, keys, and how others learn that they moved."""

from collections.abc import Sequence
from typing import Protocol

from innkeeper.server.model.api import Api
from innkeeper.server.model.client import Client
from innkeeper.server.model.directory import Directory
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import (
    ApiIdentifier,
    ClientId,
    DirectoryName,
    IssuerName,
)
from innkeeper.server.model.registry import RegistryChange, RegistrySnapshot
from innkeeper.server.model.role import Role
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.storage.outcomes import (
    Conflict,
    Done,
    Missing,
    Stale,
)


class Clients(Protocol):
    """Applications. Creating, replacing and deleting append to the registry changes."""

    async def get(self, client_id: ClientId) -> Client | None: ...
    async def list(self) -> tuple[Client, ...]: ...
    async def create(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict: ...
    async def replace(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        """`client.revision` is the one read; the stored one becomes revision + 1. Conflict if it moved."""
        ...

    async def delete(self, client_id: ClientId, *, events: Sequence[Event]) -> Done | Missing:
        """With its consents. Its grants stay dead even if a client of this name is created again."""
        ...

    async def with_origin(self, origin: str) -> tuple[ClientId, ...]:
        """The enabled clients that registered this web origin (`allowed_origins`), for CORS."""
        ...


class Apis(Protocol):
    """APIs, by identifier."""

    async def get(self, identifier: ApiIdentifier) -> Api | None: ...
    async def create(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict: ...
    async def replace(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict | Missing: ...
    async def delete(self, identifier: ApiIdentifier, *, events: Sequence[Event]) -> Done | Missing: ...


class Roles(Protocol):
    """Roles, by name."""

    async def get(self, name: str) -> Role | None: ...
    async def create(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict: ...
    async def replace(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict | Missing: ...
    async def delete(self, name: str, *, events: Sequence[Event]) -> Done | Missing: ...


class Directories(Protocol):
    """Directories, by name; the default one has no record."""

    async def get(self, name: DirectoryName) -> Directory | None: ...
    async def create(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict:
        """Conflict names what is taken: `name`, or an e-mail domain that is another directory's."""
        ...

    async def replace(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        """Like `Clients.replace`; Conflict may name a taken e-mail domain."""
        ...

    async def delete(self, name: DirectoryName, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        """Conflict (`people`, `issuers`) while somebody is in it, or a trusted issuer speaks of its people."""
        ...


class TrustedIssuers(Protocol):
    """Issuers whose assertions are believed, by their `iss`."""

    async def get(self, issuer: IssuerName) -> TrustedIssuer | None: ...
    async def create(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict:
        """Conflict says what: `issuer` is taken, or its `directory` is not there."""
        ...

    async def replace(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        """Like `Clients.replace`; Conflict (`directory`) when that is not there."""
        ...

    async def delete(self, issuer: IssuerName, *, events: Sequence[Event]) -> Done | Missing: ...


class SigningKeys(Protocol):
    """Signing keys. The registry snapshot carries their records."""

    async def list(self) -> tuple[SigningKeyRecord, ...]: ...
    async def put(
        self,
        records: Sequence[SigningKeyRecord],
        *,
        expected: Sequence[SigningKeyRecord],
        events: Sequence[Event],
    ) -> Done | Stale:
        """Replaces the whole set by `records` if it still equals `expected` (compared by kid and times)."""
        ...


class Registry(Protocol):
    """What every request reads, and how others learn that it moved."""

    async def snapshot(self) -> RegistrySnapshot: ...
    async def changes_since(self, epoch: int, *, tag: int | None = None) -> tuple[RegistryChange, ...]:
        """Oldest first. With the `tag` of a snapshot: one `EVERYTHING` if the change of that epoch is not that one.

        The database has gone back in time since: a failover that lost something, a restore.
        """
        ...
