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
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import SESSION, USER, from_us, to_us

GET: Final = (
    "SELECT s.record, s.last_used_at, s.idle_expires_at, u.record FROM sessions s"
    " LEFT JOIN users u ON u.user_id = s.user_id WHERE s.session_key = $1"
)
START: Final = (
    "INSERT INTO sessions (session_key, user_id, last_used_at, idle_expires_at, absolute_expires_at,"
    " started_by, record, sid)"
    " SELECT $1, $2, $3, $4, $5, $6, $7, $9 FROM users WHERE user_id = $2 AND epoch = $8 AND is_enabled = 1"
    " ON CONFLICT (session_key) DO NOTHING"
)
STARTED_BY: Final = "SELECT started_by FROM sessions WHERE session_key = $1"
# A request that was overtaken by a later one must not shorten the session.
TOUCH: Final = (
    "UPDATE sessions SET last_used_at = $2, idle_expires_at = $3 WHERE session_key = $1 AND last_used_at < $2"
)
DELETE: Final = "DELETE FROM sessions WHERE session_key = $1"
SID_OF: Final = "SELECT sid FROM sessions WHERE session_key = $1"
# All its handles: two tabs that sign in at once leave two.
END: Final = "DELETE FROM sessions WHERE sid = $1"


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
        return await self._transitions.submit(partial(_start, session, replaces, attempt, events))

    async def touch(self, key: HandleKey, *, last_used_at: datetime, idle_expires_at: datetime) -> None:
        await self._transitions.submit(partial(_touch, key, last_used_at, idle_expires_at))

    async def end(self, key: HandleKey, *, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.submit(partial(_end, key, events))


async def _start(
    session: Session,
    replaces: HandleKey | None,
    attempt: Attempt,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale:
    values = (
        session.key,
        session.user_id,
        to_us(session.last_used_at),
        to_us(session.idle_expires_at),
        to_us(session.absolute_expires_at),
        attempt,
        SESSION.encode(session),
        session.user_epoch,
        session.sid,
    )
    if not await transaction.change(START, values):
        started_by = await transaction.row(STARTED_BY, (session.key,))
        return Done() if started_by == (attempt,) else Stale()
    replaced = None if replaces is None else await transaction.row(SID_OF, (replaces,))
    if replaces is not None and replaced is not None:
        is_same = replaced[0] == session.sid
        await transaction.change(DELETE if is_same else END, (replaces if is_same else replaced[0],))
    await transaction.record(events)
    return Done()


async def _touch(
    key: HandleKey, last_used_at: datetime, idle_expires_at: datetime, transaction: Transaction
) -> None:
    await transaction.change(TOUCH, (key, to_us(last_used_at), to_us(idle_expires_at)))


async def _end(key: HandleKey, events: Sequence[Event], transaction: Transaction) -> Done | Missing:
    row = await transaction.row(SID_OF, (key,))
    if row is None:
        return Done() if transaction.is_retry else Missing()
    await transaction.change(END, row)
    await transaction.record(events)
    return Done()
