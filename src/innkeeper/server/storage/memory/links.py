"""One-time links, in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.user import User
from innkeeper.server.storage.memory.people import insert_user
from innkeeper.server.storage.memory.tables import LinkRow, Tables
from innkeeper.server.storage.outcomes import Conflict, Done, Gone


class MemoryLinks:
    """See `interface.Links`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def create(self, link: OneTimeLink, *, events: Sequence[Event]) -> None:
        self._tables.transition(partial(self._create, link, events))

    async def get(self, key: HandleKey) -> OneTimeLink | None:
        return self._tables.read(partial(self._get, key))

    async def create_first_administrator(
        self,
        key: HandleKey,
        user: User,
        *,
        identifiers: Sequence[str],
        password: PasswordCredential,
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Gone | Conflict:
        run = partial(
            self._create_first_administrator, key, user, identifiers, password, attempt, now, events
        )
        return self._tables.transition(run)

    def _create(self, link: OneTimeLink, events: Sequence[Event], is_retry: bool) -> None:
        if link.key not in self._tables.links:
            self._tables.links[link.key] = LinkRow(link=link)
            self._tables.record(events)

    def _get(self, key: HandleKey) -> OneTimeLink | None:
        row = self._tables.links.get(key)
        return row.link if row is not None and row.used_by is None else None

    def _create_first_administrator(
        self,
        key: HandleKey,
        user: User,
        identifiers: Sequence[str],
        password: PasswordCredential,
        attempt: Attempt,
        now: datetime,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Gone | Conflict:
        row = self._tables.links.get(key)
        if row is not None and row.used_by == attempt:
            return Done()
        if row is None or row.used_by is not None or row.link.expires_at <= now:
            return Gone()
        conflict = insert_user(self._tables, user, identifiers, password)
        if conflict:
            return conflict
        # With one link every other of its kind is spent: whoever found an older one must not become one too.
        for other, unused in list(self._tables.links.items()):
            if unused.used_by is None and unused.link.purpose == row.link.purpose:
                self._tables.links[other] = replace(unused, used_by=attempt)
        self._tables.record(events)
        return Done()
