"""APIs, roles, signing keys and the registry's changes, in memory."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.api import Api
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.registry import RegistryChange, RegistrySnapshot
from innkeeper.server.model.role import Role
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Conflict, Done, Missing, Stale
from innkeeper.server.storage.registry_history import changes_heard


class MemoryApis:
    """See `interface.Apis`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, identifier: ApiIdentifier) -> Api | None:
        return self._tables.read(lambda: self._tables.apis.get(identifier))

    async def create(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict:
        return self._tables.transition(partial(self._create, api, events))

    async def replace(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._replace, api, events))

    async def delete(self, identifier: ApiIdentifier, *, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._delete, identifier, events))

    def _create(self, api: Api, events: Sequence[Event], is_retry: bool) -> Done | Conflict:
        if api.identifier in self._tables.apis:
            return Done() if is_retry else Conflict(what="identifier")
        self._tables.apis[api.identifier] = api
        return _changed(self._tables, "api", api.identifier, events)

    def _replace(self, api: Api, events: Sequence[Event], is_retry: bool) -> Done | Conflict | Missing:
        stored = self._tables.apis.get(api.identifier)
        if stored is None:
            return Missing()
        successor = replace(api, revision=api.revision + 1)
        if is_retry and stored == successor:
            return Done()
        if stored.revision != api.revision:
            return Conflict(what="revision")
        self._tables.apis[api.identifier] = successor
        return _changed(self._tables, "api", api.identifier, events)

    def _delete(self, identifier: ApiIdentifier, events: Sequence[Event], is_retry: bool) -> Done | Missing:
        if self._tables.apis.pop(identifier, None) is None:
            return Done() if is_retry else Missing()
        return _changed(self._tables, "api", identifier, events)


class MemoryRoles:
    """See `interface.Roles`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, name: str) -> Role | None:
        return self._tables.read(lambda: self._tables.roles.get(name))

    async def create(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict:
        return self._tables.transition(partial(self._create, role, events))

    async def replace(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._replace, role, events))

    async def delete(self, name: str, *, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._delete, name, events))

    def _create(self, role: Role, events: Sequence[Event], is_retry: bool) -> Done | Conflict:
        if role.name in self._tables.roles:
            return Done() if is_retry else Conflict(what="name")
        self._tables.roles[role.name] = role
        return _changed(self._tables, "role", role.name, events)

    def _replace(self, role: Role, events: Sequence[Event], is_retry: bool) -> Done | Conflict | Missing:
        stored = self._tables.roles.get(role.name)
        if stored is None:
            return Missing()
        successor = replace(role, revision=role.revision + 1)
        if is_retry and stored == successor:
            return Done()
        if stored.revision != role.revision:
            return Conflict(what="revision")
        self._tables.roles[role.name] = successor
        return _changed(self._tables, "role", role.name, events)

    def _delete(self, name: str, events: Sequence[Event], is_retry: bool) -> Done | Missing:
        if self._tables.roles.pop(name, None) is None:
            return Done() if is_retry else Missing()
        return _changed(self._tables, "role", name, events)


class MemorySigningKeys:
    """See `interface.SigningKeys`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def list(self) -> tuple[SigningKeyRecord, ...]:
        keys = self._tables.signing_keys
        return self._tables.read(lambda: tuple(keys[kid] for kid in sorted(keys)))

    async def put(
        self,
        records: Sequence[SigningKeyRecord],
        *,
        expected: Sequence[SigningKeyRecord],
        events: Sequence[Event],
    ) -> Done | Stale:
        return self._tables.transition(partial(self._put, records, expected, events))

    def _put(
        self,
        records: Sequence[SigningKeyRecord],
        expected: Sequence[SigningKeyRecord],
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale:
        stored = self._tables.signing_keys
        if is_retry and stored == {record.kid: record for record in records}:
            return Done()
        if {record.stage for record in stored.values()} != {record.stage for record in expected}:
            return Stale()
        before = dict(stored)
        stored.clear()
        stored.update({record.kid: record for record in records})
        for kid in sorted(before.keys() | stored.keys()):
            if before.get(kid) != stored.get(kid):
                self._tables.note_change("signing_key", kid)
        self._tables.record(events)
        return Done()


class MemoryRegistry:
    """See `interface.Registry`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def snapshot(self) -> RegistrySnapshot:
        return self._tables.read(self._snapshot)

    async def changes_since(self, epoch: int, *, tag: int | None = None) -> tuple[RegistryChange, ...]:
        rows = self._tables.registry_changes
        return self._tables.read(lambda: changes_heard([row for row in rows if row[0] >= epoch], epoch, tag))

    def _snapshot(self) -> RegistrySnapshot:
        tables = self._tables
        return RegistrySnapshot(
            epoch=tables.registry_epoch,
            tag=tables.registry_changes[-1][3] if tables.registry_changes else 0,
            apis=dict(tables.apis),
            roles=dict(tables.roles),
            signing_keys=dict(tables.signing_keys),
            directories=dict(tables.directories),
            trusted_issuers=dict(tables.trusted_issuers),
        )


def _changed(tables: Tables, kind: str, record_id: str, events: Sequence[Event]) -> Done:
    tables.note_change(kind, record_id)
    tables.record(events)
    return Done()
