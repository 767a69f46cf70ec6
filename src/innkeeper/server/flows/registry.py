"""The registry in memory: an immutable snapshot, and a bounded cache of clients (bound of staleness: 1 s)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.model.registry import EVERYTHING, RegistryChange, RegistrySnapshot
from innkeeper.server.storage.interface import Store

MAX_CLIENTS: Final = 10_000
MAX_UNKNOWN: Final = 1_000
MAX_SILENCE_S: Final = 1.0
"""So long after the last successful refresh the cache is not believed any more: the bound that is promised."""


class Registry:
    """Reads never wait for the store but for a client that is not cached."""

    def __init__(
        self,
        store: Store,
        snapshot: RegistrySnapshot,
        tell: Callable[[RegistrySnapshot], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` hears every new snapshot, whoever asked for it: the key ring must not miss one."""
        self._monotonic = monotonic
        self._refreshed_at_s = monotonic()
        self._store = store
        self._tell = tell
        self.snapshot = snapshot
        self._clients: OrderedDict[ClientId, Client] = OrderedDict()
        self._unknown: OrderedDict[ClientId, None] = OrderedDict()

    async def client(self, client_id: str) -> Client | None:
        """The client, enabled or not. Unknown ids are remembered too, a bounded number of them."""
        wanted = ClientId(client_id)
        if self._monotonic() - self._refreshed_at_s > MAX_SILENCE_S:
            # Whether an app was disabled since cannot be learnt by waiting: ask, or say that the store is away.
            return await self._store.clients.get(wanted)
        if (cached := self._clients.get(wanted)) is not None:
            return cached
        if wanted in self._unknown or not wanted or len(wanted) > 255:
            return None
        snapshot = self.snapshot
        client = await self._store.clients.get(wanted)
        if snapshot is self.snapshot:  # a reload during the read would make this answer stale
            self._remember(wanted, client)
        return client

    async def refresh(self) -> bool:
        """Takes in what others have changed; says whether anything had."""
        began_at_s = self._monotonic()
        before = self.snapshot
        changes = await self._store.registry.changes_since(before.epoch, tag=before.tag)
        if not changes:
            self._refreshed_at_s = began_at_s
            return False
        self._forget(changes)  # first, so that a disabled app is out even if the rest cannot be read
        snapshot = await self._store.registry.snapshot()
        # Asked again: a change meanwhile may be inside the snapshot and would never be heard of otherwise.
        self._forget(await self._store.registry.changes_since(self.snapshot.epoch, tag=self.snapshot.tag))
        has_gone_back = self.snapshot is before and changes[0].kind == EVERYTHING
        if has_gone_back or snapshot.epoch > self.snapshot.epoch:  # another refresh may have been faster
            self.snapshot = snapshot
            self._tell(snapshot)
        self._refreshed_at_s = began_at_s
        return True

    def _forget(self, changes: Iterable[RegistryChange]) -> None:
        for change in changes:
            if change.kind == "client":
                self._clients.pop(ClientId(change.id), None)
                self._unknown.pop(ClientId(change.id), None)
            elif change.kind == EVERYTHING:
                # The database has gone back in time, and what was learnt from the future is not so any more.
                self._clients.clear()
                self._unknown.clear()

    def _remember(self, client_id: ClientId, client: Client | None) -> None:
        if client is not None:
            self._clients[client_id] = client
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._unknown[client_id] = None
            if len(self._unknown) > MAX_UNKNOWN:
                self._unknown.popitem(last=False)
