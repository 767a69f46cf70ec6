"""A backend as a whole."""

from datetime import datetime
from typing import Protocol

from innkeeper.server.model.instance import Instance
from innkeeper.server.storage.interface.assertion_ids import AssertionIds
from innkeeper.server.storage.interface.authorizations import AccessTokens, Codes, Grants, RefreshFamilies
from innkeeper.server.storage.interface.catalogue import (
    Apis,
    Clients,
    Directories,
    Registry,
    Roles,
    SigningKeys,
    TrustedIssuers,
)
from innkeeper.server.storage.interface.devices import DeviceCodes
from innkeeper.server.storage.interface.leases import Leases
from innkeeper.server.storage.interface.people import Consents, Links, Sessions, Throttles, Users


class Store(Protocol):
    """A backend. `close()` waits for what has been accepted."""

    clients: Clients
    apis: Apis
    roles: Roles
    directories: Directories
    trusted_issuers: TrustedIssuers
    signing_keys: SigningKeys
    registry: Registry
    users: Users
    throttles: Throttles
    sessions: Sessions
    consents: Consents
    codes: Codes
    grants: Grants
    access_tokens: AccessTokens
    refresh_families: RefreshFamilies
    device_codes: DeviceCodes
    links: Links
    assertion_ids: AssertionIds
    leases: Leases

    async def instance(self) -> Instance | None: ...
    async def claim_instance(self, instance: Instance) -> Instance:
        """Writes it once; returns what is stored, which may be another's."""
        ...

    async def replace_instance(self, instance: Instance, *, expected: Instance) -> Instance:
        """If what is stored is `expected`; returns what is stored afterwards, which may be another's."""
        ...

    async def time(self) -> datetime | None:
        """What the database's own clock says; None where it has none but the machine's."""
        ...

    async def last_commit_at(self) -> datetime | None:
        """No commit was later, as far as the store can tell; None where it has kept nothing."""
        ...

    async def probe(self) -> None:
        """Proves that a write can be made durable, and with it whatever was seen before; or StoreUnavailable.

        For readiness, and before it is said of something that was only read that it is so for good.
        """
        ...

    async def purge(self, *, now: datetime, limit: int) -> int:
        """Deletes at most `limit` rows whose time is over (with an hour's margin); says how many."""
        ...

    async def close(self) -> None: ...
