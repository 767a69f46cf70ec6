"""Applications, in PostgreSQL."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.client import Client
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import Conflict, Done, Missing
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import CLIENT, Value, to_us

GET: Final = "SELECT record FROM clients WHERE client_id = $1"
LIST: Final = "SELECT record FROM clients ORDER BY client_id"
WITH_ORIGIN: Final = (
    "SELECT o.client_id FROM client_origins o JOIN clients c ON c.client_id = o.client_id"
    " WHERE o.origin = $1 AND c.is_enabled = 1 ORDER BY o.client_id"
)
TOMBSTONE: Final = "SELECT epoch FROM client_tombstones WHERE client_id = $1"
INSERT: Final = (
    "INSERT INTO clients (client_id, revision, epoch, is_enabled, tokens_not_before, record)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (client_id) DO NOTHING"
)
# A restore moves `tokens_not_before` in the column alone. The record does not know of it and must not take it back.
REPLACE: Final = (
    "UPDATE clients SET revision = $2, epoch = $3, is_enabled = $4,"
    " tokens_not_before = greatest(tokens_not_before, $5), record = $6 WHERE client_id = $1 AND revision = $7"
)
BURY: Final = (
    "INSERT INTO client_tombstones (client_id, epoch)"
    " SELECT client_id, epoch FROM clients WHERE client_id = $1"
    " ON CONFLICT (client_id) DO UPDATE SET epoch = excluded.epoch"
)
DELETE: Final = "DELETE FROM clients WHERE client_id = $1"
DELETE_CONSENTS: Final = "DELETE FROM consents WHERE client_id = $1"
DELETE_ORIGINS: Final = "DELETE FROM client_origins WHERE client_id = $1"
INSERT_ORIGIN: Final = "INSERT INTO client_origins (origin, client_id) VALUES ($1, $2)"


class PostgresClients:
    """See `interface.Clients`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def get(self, client_id: ClientId) -> Client | None:
        row = await self._reader.row(GET, (client_id,))
        return CLIENT.decode(row[0]) if row else None

    async def list(self) -> tuple[Client, ...]:
        return tuple(CLIENT.decode(record) for (record,) in await self._reader.scan(LIST))

    async def with_origin(self, origin: str) -> tuple[ClientId, ...]:
        return tuple(ClientId(client_id) for (client_id,) in await self._reader.rows(WITH_ORIGIN, (origin,)))

    async def create(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._transitions.submit(partial(_create, client, events))

    async def replace(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._transitions.submit(partial(_replace, client, events))

    async def delete(self, client_id: ClientId, *, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.submit(partial(_delete, client_id, events))


async def _create(client: Client, events: Sequence[Event], transaction: Transaction) -> Done | Conflict:
    # A new app under an old name must not inherit what was granted to its predecessor.
    tombstone = await transaction.row(TOMBSTONE, (client.client_id,))
    if tombstone is not None:
        client = replace(client, epoch=max(client.epoch, tombstone[0] + 1))
    if not await transaction.change(INSERT, (*_columns(client), CLIENT.encode(client))):
        stored = await transaction.row(GET, (client.client_id,))
        is_ours = transaction.is_retry and stored == (CLIENT.encode(client),)
        return Done() if is_ours else Conflict(what="client_id")
    await _set_origins(client, transaction)
    return await _changed(client.client_id, events, transaction)


async def _replace(
    client: Client, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    successor = replace(client, revision=client.revision + 1)
    record = CLIENT.encode(successor)
    if not await transaction.change(REPLACE, (*_columns(successor), record, client.revision)):
        stored = await transaction.row(GET, (client.client_id,))
        if stored is None:
            return Missing()
        return Done() if transaction.is_retry and stored[0] == record else Conflict(what="revision")
    await transaction.change(DELETE_ORIGINS, (client.client_id,))
    await _set_origins(client, transaction)
    return await _changed(client.client_id, events, transaction)


async def _delete(client_id: ClientId, events: Sequence[Event], transaction: Transaction) -> Done | Missing:
    await transaction.change(BURY, (client_id,))
    if not await transaction.change(DELETE, (client_id,)):
        return Done() if transaction.is_retry else Missing()
    await transaction.change(DELETE_CONSENTS, (client_id,))
    await transaction.change(DELETE_ORIGINS, (client_id,))
    return await _changed(client_id, events, transaction)


def _columns(client: Client) -> tuple[Value, ...]:
    """What conditions and look-ups need beside the record."""
    not_before = None if client.tokens_not_before is None else to_us(client.tokens_not_before)
    return client.client_id, client.revision, client.epoch, client.is_enabled, not_before


async def _set_origins(client: Client, transaction: Transaction) -> None:
    for origin in dict.fromkeys(client.allowed_origins):
        await transaction.change(INSERT_ORIGIN, (origin, client.client_id))


async def _changed(client_id: ClientId, events: Sequence[Event], transaction: Transaction) -> Done:
    await transaction.note_change("client", client_id)
    await transaction.record(events)
    return Done()
