"""Signed-in browsers, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.session import Session
from innkeeper.server.storage.outcomes import Done, Missing, SessionAndUser, Stale
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import Winning
from innkeeper.server.storage.rows import SESSION, USER, Value, from_us, to_us

GET: Final = (
    "SELECT s.record, s.last_used_at, s.idle_expires_at, u.record FROM sessions s"
    " LEFT JOIN users u ON u.user_id = s.user_id WHERE s.session_key = $1"
)
START: Final = """
INSERT INTO sessions (session_key, user_id, last_used_at, idle_expires_at, absolute_expires_at,
    started_by, record, sid)
SELECT :session_key, :user_id, :last_used_at, :idle_expires_at, :absolute_expires_at, :attempt, :record, :sid
FROM users WHERE user_id = :user_id AND epoch = :user_epoch AND is_enabled = 1
ON CONFLICT (session_key) DO NOTHING RETURNING session_key
"""
STARTED_BY: Final = "SELECT started_by FROM sessions WHERE session_key = $1"
# A request that was overtaken by a later one must not shorten the session.
TOUCH: Final = (
    "UPDATE sessions SET last_used_at = $2, idle_expires_at = $3 WHERE session_key = $1 AND last_used_at < $2"
)
DELETE: Final = "DELETE FROM sessions WHERE session_key = $1"
SID_OF: Final = "SELECT sid FROM sessions WHERE session_key = $1"
DELETE_ALL: Final = "DELETE FROM sessions WHERE sid = $1"
# All its handles: two tabs that sign in at once leave two.
END: Final = """
DELETE FROM sessions WHERE sid = (SELECT s.sid FROM sessions s WHERE s.session_key = :session_key)
RETURNING session_key
"""


class PostgresSessions:
    """See `interface.Sessions`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def get(self, key: HandleKey) -> SessionAndUser | None:
        row = await self._reader.row(GET, (key,))
        if row is None:
            return None
        record, last_used_us, idle_expires_us, user = row
        session = SESSION.decode(record)
        if to_us(session.last_used_at) != last_used_us:
            times = {"last_used_at": from_us(last_used_us), "idle_expires_at": from_us(idle_expires_us)}
            session = replace(session, **times)
        return SessionAndUser(session=session, user=USER.decode(user) if user is not None else None)

    async def start(
        self, session: Session, *, replaces: HandleKey | None, attempt: Attempt, events: Sequence[Event]
    ) -> Done | Stale:
        audit = AuditRows(events)
        if replaces is None:
            return await self._transitions.at_once(partial(_start, session, attempt, audit))
        return await self._transitions.together(partial(_start_instead, session, replaces, attempt, audit))

    async def touch(self, key: HandleKey, *, last_used_at: datetime, idle_expires_at: datetime) -> None:
        await self._transitions.at_once(partial(_touch, key, last_used_at, idle_expires_at))

    async def end(self, key: HandleKey, *, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.at_once(partial(_end, key, AuditRows(events)))


async def _start(
    session: Session, attempt: Attempt, audit: AuditRows, statements: Statements
) -> Done | Stale:
    values: dict[str, Value] = {
        "session_key": session.key,
        "user_id": session.user_id,
        "last_used_at": to_us(session.last_used_at),
        "idle_expires_at": to_us(session.idle_expires_at),
        "absolute_expires_at": to_us(session.absolute_expires_at),
        "attempt": attempt,
        "record": SESSION.encode(session),
        "user_epoch": session.user_epoch,
        "sid": session.sid,
    }
    starting = Winning(START, values)
    starting.recorded(audit)
    if await starting.row(statements) is not None:
        return Done()
    return Done() if await statements.row(STARTED_BY, (session.key,)) == (attempt,) else Stale()


async def _start_instead(
    session: Session, replaced: HandleKey, attempt: Attempt, audit: AuditRows, transaction: Transaction
) -> Done | Stale:
    """Two statements, since both change the same table, and one transaction."""
    sid = await transaction.row(SID_OF, (replaced,))
    if sid is not None:
        is_same = sid[0] == session.sid
        await transaction.change(DELETE if is_same else DELETE_ALL, (replaced if is_same else sid[0],))
    outcome = await _start(session, attempt, audit, transaction)
    if isinstance(outcome, Stale):
        transaction.undo()
    return outcome


async def _touch(
    key: HandleKey, last_used_at: datetime, idle_expires_at: datetime, statements: Statements
) -> None:
    await statements.change(TOUCH, (key, to_us(last_used_at), to_us(idle_expires_at)))


async def _end(key: HandleKey, audit: AuditRows, statements: Statements) -> Done | Missing:
    ending = Winning(END, {"session_key": key})
    ending.recorded(audit)
    if await ending.row(statements, "SELECT 1 FROM won LIMIT 1") is not None:
        return Done()
    if statements.is_retry:
        return Done()
    await statements.make_sure()
    return Missing()
