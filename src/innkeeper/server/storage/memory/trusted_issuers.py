"""Trusted issuers, in memory."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import IssuerName
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Conflict, Done, Missing


class MemoryTrustedIssuers:
    """See `interface.TrustedIssuers`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, issuer: IssuerName) -> TrustedIssuer | None:
        return self._tables.read(lambda: self._tables.trusted_issuers.get(issuer))

    async def create(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict:
        return self._tables.transition(partial(self._create, issuer, events))

    async def replace(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._replace, issuer, events))

    async def delete(self, issuer: IssuerName, *, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._delete, issuer, events))

    def _create(self, issuer: TrustedIssuer, events: Sequence[Event], is_retry: bool) -> Done | Conflict:
        if issuer.issuer in self._tables.trusted_issuers:
            return Done() if is_retry else Conflict(what="issuer")
        return self._put(issuer, events)

    def _replace(
        self, issuer: TrustedIssuer, events: Sequence[Event], is_retry: bool
    ) -> Done | Conflict | Missing:
        stored = self._tables.trusted_issuers.get(issuer.issuer)
        if stored is None:
            return Missing()
        successor = replace(issuer, revision=issuer.revision + 1)
        if is_retry and stored == successor:
            return Done()
        if stored.revision != issuer.revision:
            return Conflict(what="revision")
        return self._put(successor, events)

    def _delete(self, issuer: IssuerName, events: Sequence[Event], is_retry: bool) -> Done | Missing:
        if self._tables.trusted_issuers.pop(issuer, None) is None:
            return Done() if is_retry else Missing()
        return self._changed(issuer, events)

    def _put(self, issuer: TrustedIssuer, events: Sequence[Event]) -> Done | Conflict:
        if not self._tables.has_directory(issuer.directory):
            return Conflict(what="directory")
        self._tables.trusted_issuers[issuer.issuer] = issuer
        return self._changed(issuer.issuer, events)

    def _changed(self, issuer: IssuerName, events: Sequence[Event]) -> Done:
        self._tables.note_change("trusted_issuer", issuer)
        self._tables.record(events)
        return Done()
