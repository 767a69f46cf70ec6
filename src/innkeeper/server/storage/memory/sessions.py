"""Signed-in browsers, in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.session import Session
from innkeeper.server.storage.memory.tables import SessionRow, Tables
from innkeeper.server.storage.outcomes import Done, Missing, SessionAndUser, Stale


class MemorySessions:
    """See `interface.Sessions`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, key: HandleKey) -> SessionAndUser | None:
        return self._tables.read(partial(self._get, key))

    async def start(
        self, session: Session, *, replaces: HandleKey | None, attempt: Attempt, events: Sequence[Event]
    ) -> Done | Stale:
        return self._tables.transition(partial(self._start, session, replaces, attempt, events))

    async def touch(self, key: HandleKey, *, last_used_at: datetime, idle_expires_at: datetime) -> None:
        self._tables.transition(partial(self._touch, key, last_used_at, idle_expires_at))

    async def end(self, key: HandleKey, *, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._end, key, events))

    def _get(self, key: HandleKey) -> SessionAndUser | None:
        row = self._tables.sessions.get(key)
        if row is None:
            return None
        return SessionAndUser(session=row.session, user=self._tables.users.get(row.session.user_id))

    def _start(
        self,
        session: Session,
        replaces: HandleKey | None,
        attempt: Attempt,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale:
        tables = self._tables
        stored = tables.sessions.get(session.key)
        if stored is not None:
            return Done() if stored.started_by == attempt else Stale()
        user = tables.users.get(session.user_id)
        if user is None or not user.is_enabled or user.epoch != session.user_epoch:
            return Stale()
        tables.sessions[session.key] = SessionRow(session=session, started_by=attempt)
        replaced = None if replaces is None else tables.sessions.pop(replaces, None)
        if replaced is not None and replaced.session.sid != session.sid:
            tables.end_session(replaced.session.sid)
        tables.record(events)
        return Done()

    def _touch(
        self, key: HandleKey, last_used_at: datetime, idle_expires_at: datetime, is_retry: bool
    ) -> None:
        row = self._tables.sessions.get(key)
        # A request that was overtaken by a later one must not shorten the session.
        if row is not None and row.session.last_used_at < last_used_at:
            session = replace(row.session, last_used_at=last_used_at, idle_expires_at=idle_expires_at)
            self._tables.sessions[key] = replace(row, session=session)

    def _end(self, key: HandleKey, events: Sequence[Event], is_retry: bool) -> Done | Missing:
        row = self._tables.sessions.get(key)
        if row is None:
            return Done() if is_retry else Missing()
        self._tables.end_session(row.session.sid)
        self._tables.record(events)
        return Done()
