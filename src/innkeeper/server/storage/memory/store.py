"""The memory store as a whole."""

from datetime import datetime

from innkeeper.server.model.instance import Instance
from innkeeper.server.storage import interface
from innkeeper.server.storage.audit_row import AuditRow
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.memory.access_tokens import MemoryAccessTokens
from innkeeper.server.storage.memory.assertion_ids import MemoryAssertionIds
from innkeeper.server.storage.memory.clients import MemoryClients
from innkeeper.server.storage.memory.codes import MemoryCodes, MemoryGrants
from innkeeper.server.storage.memory.consents import MemoryConsents
from innkeeper.server.storage.memory.devices import MemoryDeviceCodes
from innkeeper.server.storage.memory.directories import MemoryDirectories
from innkeeper.server.storage.memory.leases import MemoryLeases
from innkeeper.server.storage.memory.links import MemoryLinks
from innkeeper.server.storage.memory.people import MemoryUsers
from innkeeper.server.storage.memory.purge import purge
from innkeeper.server.storage.memory.refresh_families import MemoryRefreshFamilies
from innkeeper.server.storage.memory.registry import (
    MemoryApis,
    MemoryRegistry,
    MemoryRoles,
    MemorySigningKeys,
)
from innkeeper.server.storage.memory.sessions import MemorySessions
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.memory.throttles import MemoryThrottles
from innkeeper.server.storage.memory.trusted_issuers import MemoryTrustedIssuers


class MemoryStore:
    """See `interface.Store`. May be shared by threads; no method suspends."""

    def __init__(self) -> None:
        self._tables = tables = Tables()
        self.clients: interface.Clients = MemoryClients(tables)
        self.apis: interface.Apis = MemoryApis(tables)
        self.roles: interface.Roles = MemoryRoles(tables)
        self.directories: interface.Directories = MemoryDirectories(tables)
        self.trusted_issuers: interface.TrustedIssuers = MemoryTrustedIssuers(tables)
        self.signing_keys: interface.SigningKeys = MemorySigningKeys(tables)
        self.registry: interface.Registry = MemoryRegistry(tables)
        self.users: interface.Users = MemoryUsers(tables)
        self.throttles: interface.Throttles = MemoryThrottles(tables)
        self.sessions: interface.Sessions = MemorySessions(tables)
        self.consents: interface.Consents = MemoryConsents(tables)
        self.codes: interface.Codes = MemoryCodes(tables)
        self.grants: interface.Grants = MemoryGrants(tables)
        self.access_tokens: interface.AccessTokens = MemoryAccessTokens(tables)
        self.refresh_families: interface.RefreshFamilies = MemoryRefreshFamilies(tables)
        self.device_codes: interface.DeviceCodes = MemoryDeviceCodes(tables)
        self.links: interface.Links = MemoryLinks(tables)
        self.assertion_ids: interface.AssertionIds = MemoryAssertionIds(tables)
        self.leases: interface.Leases = MemoryLeases(tables)

    @property
    def counters(self) -> Counters:
        """What has been done so far."""
        return self._tables.counters

    @property
    def is_away(self) -> bool:
        """While True every call raises StoreUnavailable: how tests take the store away and bring it back."""
        return self._tables.is_away

    @is_away.setter
    def is_away(self, value: bool) -> None:
        self._tables.is_away = value

    async def instance(self) -> Instance | None:
        return self._tables.read(lambda: self._tables.instance)

    async def claim_instance(self, instance: Instance) -> Instance:
        def claim(is_retry: bool) -> Instance:
            self._tables.instance = self._tables.instance or instance
            return self._tables.instance

        return self._tables.transition(claim)

    async def replace_instance(self, instance: Instance, *, expected: Instance) -> Instance:
        def replace(is_retry: bool) -> Instance:
            if self._tables.instance in (None, expected):
                self._tables.instance = instance
            return self._tables.instance

        return self._tables.transition(replace)

    async def time(self) -> datetime | None:
        return None

    async def last_commit_at(self) -> datetime | None:
        """Nothing outlives the process."""
        return None

    async def probe(self) -> None:
        self._tables.transition(lambda is_retry: None)

    async def purge(self, *, now: datetime, limit: int) -> int:
        return self._tables.transition(lambda is_retry: purge(self._tables, now, limit))

    async def audit_rows(self) -> tuple[AuditRow, ...]:
        """Every audit row, oldest first."""
        return self._tables.read(lambda: tuple(self._tables.audit))

    def lose_next_answer(self) -> None:
        """For tests: the next transition happens, its answer is lost, and the store tries again."""
        self._tables.loses_next_answer = True

    async def close(self) -> None:
        self._tables.is_away = True
