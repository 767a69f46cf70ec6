"""APIs, roles, signing keys and the registry's changes, in PostgreSQL."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.api import Api
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.registry import RegistryChange, RegistrySnapshot
from innkeeper.server.model.role import Role
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.storage.outcomes import Conflict, Done, Missing, Stale, StoreUnavailable
from innkeeper.server.storage.postgresql.directories import LIST_DIRECTORIES
from innkeeper.server.storage.postgresql.pool import Pool
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.trusted_issuers import LIST_ISSUERS
from innkeeper.server.storage.registry_history import changes_heard
from innkeeper.server.storage.rows import API, DIRECTORY, ROLE, SIGNING_KEY, TRUSTED_ISSUER
from innkeeper.server.storage.schema import marks
from innkeeper.server.storage.transfer.statements import MARK

GET_API: Final = "SELECT record FROM apis WHERE identifier = $1"
INSERT_API: Final = (
    "INSERT INTO apis (identifier, revision, record) VALUES ($1, $2, $3) ON CONFLICT (identifier) DO NOTHING"
)
REPLACE_API: Final = "UPDATE apis SET revision = $2, record = $3 WHERE identifier = $1 AND revision = $4"
DELETE_API: Final = "DELETE FROM apis WHERE identifier = $1"
LIST_APIS: Final = "SELECT record FROM apis ORDER BY identifier"
GET_ROLE: Final = "SELECT record FROM roles WHERE name = $1"
INSERT_ROLE: Final = (
    "INSERT INTO roles (name, revision, record) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING"
)
REPLACE_ROLE: Final = "UPDATE roles SET revision = $2, record = $3 WHERE name = $1 AND revision = $4"
DELETE_ROLE: Final = "DELETE FROM roles WHERE name = $1"
LIST_ROLES: Final = "SELECT record FROM roles ORDER BY name"
LIST_KEYS: Final = "SELECT record FROM signing_keys ORDER BY kid"
INSERT_KEY: Final = "INSERT INTO signing_keys (kid, record) VALUES ($1, $2)"
DELETE_KEYS: Final = "DELETE FROM signing_keys"
NEWEST: Final = "SELECT epoch, tag FROM registry_changes ORDER BY epoch DESC LIMIT 1"
CHANGES_SINCE: Final = (
    "SELECT epoch, kind, id, tag FROM registry_changes WHERE epoch >= $1"  # noqa: S608 (constants)
    f" UNION ALL SELECT 0, 'mark', mark.checksum, 0 FROM ({MARK}) mark ORDER BY epoch"
)


class PostgresApis:
    """See `interface.Apis`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def get(self, identifier: ApiIdentifier) -> Api | None:
        row = await self._reader.row(GET_API, (identifier,))
        return API.decode(row[0]) if row else None

    async def create(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._transitions.submit(partial(_create_api, api, events))

    async def replace(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._transitions.submit(partial(_replace_api, api, events))

    async def delete(self, identifier: ApiIdentifier, *, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.submit(partial(_delete, DELETE_API, "api", identifier, events))


class PostgresRoles:
    """See `interface.Roles`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def get(self, name: str) -> Role | None:
        row = await self._reader.row(GET_ROLE, (name,))
        return ROLE.decode(row[0]) if row else None

    async def create(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._transitions.submit(partial(_create_role, role, events))

    async def replace(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._transitions.submit(partial(_replace_role, role, events))

    async def delete(self, name: str, *, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.submit(partial(_delete, DELETE_ROLE, "role", name, events))


class PostgresSigningKeys:
    """See `interface.SigningKeys`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def list(self) -> tuple[SigningKeyRecord, ...]:
        return tuple(SIGNING_KEY.decode(record) for (record,) in await self._reader.scan(LIST_KEYS))

    async def put(
        self,
        records: Sequence[SigningKeyRecord],
        *,
        expected: Sequence[SigningKeyRecord],
        events: Sequence[Event],
    ) -> Done | Stale:
        return await self._transitions.submit(partial(_put_keys, records, expected, events))


class PostgresRegistry:
    """See `interface.Registry`."""

    def __init__(self, reader: Reader, pool: Pool) -> None:
        """`pool` is everybody else's: it lends nothing while the database is found marked."""
        self._reader = reader
        self._pool = pool

    async def snapshot(self) -> RegistrySnapshot:
        lists = (NEWEST, LIST_APIS, LIST_ROLES, LIST_DIRECTORIES, LIST_ISSUERS, LIST_KEYS)
        found = await self._reader.snapshot(*((sql, ()) for sql in lists))
        [newest, api_rows, role_rows, directory_rows, issuer_rows, key_rows] = found
        [(epoch, tag)] = newest or [(0, 0)]
        apis = (API.decode(record) for (record,) in api_rows)
        roles = (ROLE.decode(record) for (record,) in role_rows)
        directories = (DIRECTORY.decode(record) for (record,) in directory_rows)
        issuers = (TRUSTED_ISSUER.decode(record) for (record,) in issuer_rows)
        keys = (SIGNING_KEY.decode(record) for (record,) in key_rows)
        return RegistrySnapshot(
            epoch=epoch,
            tag=tag,
            apis={api.identifier: api for api in apis},
            roles={role.name: role for role in roles},
            signing_keys={key.kid: key for key in keys},
            directories={directory.name: directory for directory in directories},
            trusted_issuers={issuer.issuer: issuer for issuer in issuers},
        )

    async def changes_since(self, epoch: int, *, tag: int | None = None) -> tuple[RegistryChange, ...]:
        rows = await self._reader.rows(CHANGES_SINCE, (epoch,))
        # Behind a pooler a connection outlives the database's own, and is not asked anew.
        self._pool.refusal = marks.refusal_of(rows[0][2]) if rows and rows[0][1] == "mark" else None
        if self._pool.refusal is not None:
            raise StoreUnavailable(self._pool.refusal)
        return changes_heard(rows, epoch, tag)


async def _create_api(api: Api, events: Sequence[Event], transaction: Transaction) -> Done | Conflict:
    if not await transaction.change(INSERT_API, (api.identifier, api.revision, API.encode(api))):
        return await _not_created(GET_API, api.identifier, API.encode(api), "identifier", transaction)
    return await _changed("api", api.identifier, events, transaction)


async def _replace_api(
    api: Api, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    successor = replace(api, revision=api.revision + 1)
    record = API.encode(successor)
    if await transaction.change(REPLACE_API, (api.identifier, successor.revision, record, api.revision)):
        return await _changed("api", api.identifier, events, transaction)
    return await _not_replaced(GET_API, api.identifier, record, transaction)


async def _create_role(role: Role, events: Sequence[Event], transaction: Transaction) -> Done | Conflict:
    if not await transaction.change(INSERT_ROLE, (role.name, role.revision, ROLE.encode(role))):
        return await _not_created(GET_ROLE, role.name, ROLE.encode(role), "name", transaction)
    return await _changed("role", role.name, events, transaction)


async def _replace_role(
    role: Role, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    successor = replace(role, revision=role.revision + 1)
    record = ROLE.encode(successor)
    if await transaction.change(REPLACE_ROLE, (role.name, successor.revision, record, role.revision)):
        return await _changed("role", role.name, events, transaction)
    return await _not_replaced(GET_ROLE, role.name, record, transaction)


async def _not_created(
    get: str, name: str, record: bytes, what: str, transaction: Transaction
) -> Done | Conflict:
    is_ours = transaction.is_retry and await transaction.row(get, (name,)) == (record,)
    return Done() if is_ours else Conflict(what=what)


async def _not_replaced(
    get: str, name: str, record: bytes, transaction: Transaction
) -> Done | Conflict | Missing:
    stored = await transaction.row(get, (name,))
    if stored is None:
        return Missing()
    return Done() if transaction.is_retry and stored[0] == record else Conflict(what="revision")


async def _delete(
    sql: str, kind: str, name: str, events: Sequence[Event], transaction: Transaction
) -> Done | Missing:
    if not await transaction.change(sql, (name,)):
        return Done() if transaction.is_retry else Missing()
    return await _changed(kind, name, events, transaction)


async def _changed(kind: str, name: str, events: Sequence[Event], transaction: Transaction) -> Done:
    await transaction.note_change(kind, name)
    await transaction.record(events)
    return Done()


async def _put_keys(
    records: Sequence[SigningKeyRecord],
    expected: Sequence[SigningKeyRecord],
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale:
    stored = [SIGNING_KEY.decode(record) for (record,) in await transaction.rows(LIST_KEYS)]
    before = {record.kid: record for record in stored}
    after = {record.kid: record for record in records}
    if transaction.is_retry and before == after:
        return Done()
    if {record.stage for record in stored} != {record.stage for record in expected}:
        return Stale()
    await transaction.change(DELETE_KEYS)
    for record in after.values():
        await transaction.change(INSERT_KEY, (record.kid, SIGNING_KEY.encode(record)))
    for kid in sorted(before.keys() | after.keys()):
        if before.get(kid) != after.get(kid):
            await transaction.note_change("signing_key", kid)
    await transaction.record(events)
    return Done()
