"""Applications, in memory."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.client import Client
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Conflict, Done, Missing


class MemoryClients:
    """See `interface.Clients`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, client_id: ClientId) -> Client | None:
        return self._tables.read(lambda: self._tables.clients.get(client_id))

    async def list(self) -> tuple[Client, ...]:
        clients = self._tables.clients
        return self._tables.read(lambda: tuple(clients[client_id] for client_id in sorted(clients)))

    async def with_origin(self, origin: str) -> tuple[ClientId, ...]:
        return self._tables.read(partial(self._with_origin, origin))

    async def create(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict:
        return self._tables.transition(partial(self._create, client, events))

    async def replace(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._replace, client, events))

    async def delete(self, client_id: ClientId, *, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._delete, client_id, events))

    def _with_origin(self, origin: str) -> tuple[ClientId, ...]:
        found = [c for c in self._tables.clients.values() if c.is_enabled and origin in c.allowed_origins]
        return tuple(sorted(client.client_id for client in found))

    def _create(self, client: Client, events: Sequence[Event], is_retry: bool) -> Done | Conflict:
        tables = self._tables
        if client.client_id in tables.clients:
            return Done() if is_retry else Conflict(what="client_id")
        # A new app under an old name must not inherit what was granted to its predecessor.
        epoch = max(client.epoch, tables.client_tombstones.get(client.client_id, 0) + 1)
        tables.clients[client.client_id] = replace(client, epoch=epoch)
        self._end_tokens(client)
        return self._changed(client.client_id, events)

    def _replace(self, client: Client, events: Sequence[Event], is_retry: bool) -> Done | Conflict | Missing:
        stored = self._tables.clients.get(client.client_id)
        if stored is None:
            return Missing()
        successor = replace(client, revision=client.revision + 1)
        if is_retry and stored == successor:
            return Done()
        if stored.revision != client.revision:
            return Conflict(what="revision")
        self._tables.clients[client.client_id] = successor
        self._end_tokens(client)
        return self._changed(client.client_id, events)

    def _delete(self, client_id: ClientId, events: Sequence[Event], is_retry: bool) -> Done | Missing:
        tables = self._tables
        stored = tables.clients.pop(client_id, None)
        if stored is None:
            return Done() if is_retry else Missing()
        tables.client_tombstones[client_id] = stored.epoch
        tables.tokens_not_before.pop(client_id, None)
        for key in [key for key in tables.consents if key[1] == client_id]:
            del tables.consents[key]
        return self._changed(client_id, events)

    def _end_tokens(self, client: Client) -> None:
        """An older instant, or none, revives nothing."""
        marks, wanted = self._tables.tokens_not_before, client.tokens_not_before
        if wanted is not None:
            marks[client.client_id] = max(marks.get(client.client_id, wanted), wanted)

    def _changed(self, client_id: ClientId, events: Sequence[Event]) -> Done:
        self._tables.note_change("client", client_id)
        self._tables.record(events)
        return Done()
