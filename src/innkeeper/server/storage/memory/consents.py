"""Remembered consents, in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, Subject
from innkeeper.server.storage.consent_additions import extended, skipped
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Done, Missing, Stale

Addition = tuple[ApiIdentifier | None, Scope]
Additions = Sequence[Addition]


class MemoryConsents:
    """See `interface.Consents`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, user_id: Subject, client_id: ClientId) -> tuple[Consent, ...]:
        return self._tables.read(partial(self._of, user_id, client_id))

    async def allow(
        self,
        user_id: Subject,
        client_id: ClientId,
        additions: Additions,
        *,
        answered: Addition,
        epochs: Epochs,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Stale:
        run = partial(self._allow, user_id, client_id, additions, answered, epochs, now, events)
        return self._tables.transition(run)

    async def revoke(
        self, user_id: Subject, client_id: ClientId, *, events: Sequence[Event]
    ) -> Done | Missing:
        return self._tables.transition(partial(self._revoke, user_id, client_id, events))

    def _of(self, user_id: Subject, client_id: ClientId) -> tuple[Consent, ...]:
        found = [c for key, c in self._tables.consents.items() if key[:2] == (user_id, client_id)]
        return tuple(sorted(found, key=lambda consent: consent.api or ""))

    def _allow(
        self,
        user_id: Subject,
        client_id: ClientId,
        additions: Additions,
        answered: Addition,
        epochs: Epochs,
        now: datetime,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale:
        tables = self._tables
        if not tables.is_current(user_id, client_id, epochs):
            return Stale()
        for api, scope in additions:
            key = (user_id, client_id, api)
            tables.consents[key] = extended(self._of_this_api(*key, now), scope, now)
        key = (user_id, client_id, answered[0])
        tables.consents[key] = replace(self._of_this_api(*key, now), answered=tuple(answered[1]))
        if not is_retry:
            tables.record(events)
        return Done()

    def _of_this_api(
        self, user_id: Subject, client_id: ClientId, api: ApiIdentifier | None, now: datetime
    ) -> Consent:
        """What was allowed for an API of this name that was deleted contributes nothing but its epoch."""
        stored = self._tables.consents.get((user_id, client_id, api))
        if stored is None:
            return skipped(user_id, client_id, api, now)
        record = None if api is None else self._tables.apis.get(api)
        if record is not None and record.is_younger_than(stored.granted_at):
            return replace(stored, scope=(), answered=(), granted_at=now)
        return stored

    def _revoke(
        self, user_id: Subject, client_id: ClientId, events: Sequence[Event], is_retry: bool
    ) -> Done | Missing:
        tables = self._tables
        consents = {consent.api: consent for consent in self._of(user_id, client_id)}
        # A grant whose consent was skipped stands on a missing row: revoking gives it one that has moved.
        for grant in tables.grants.values():
            if (grant.user_id, grant.client_id, grant.revoked_at) == (user_id, client_id, None):
                consents.setdefault(grant.api, skipped(user_id, client_id, grant.api, grant.created_at))
        for api, consent in consents.items():
            tables.consents[user_id, client_id, api] = replace(
                consent, scope=(), answered=(), epoch=consent.epoch + 1
            )
        if not consents:
            return Missing()
        if not is_retry:
            tables.record(events)
        return Done()
