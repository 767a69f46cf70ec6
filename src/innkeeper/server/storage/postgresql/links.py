"""One-time links, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import Conflict, Done, Gone
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.people import insert_user
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import Winning
from innkeeper.server.storage.rows import LINK, Value, to_us

INSERT: Final = """
INSERT INTO one_time_links (link_key, expires_at, record, purpose)
VALUES (:link_key, :expires_at, :record, :purpose)
ON CONFLICT (link_key) DO NOTHING RETURNING link_key
"""
GET: Final = "SELECT record FROM one_time_links WHERE link_key = $1 AND used_at IS NULL"
# With one link every other of its kind is spent: whoever found an older one must not become an administrator too.
USE: Final = (
    "UPDATE one_time_links SET used_at = $1, used_by = $2"
    " WHERE purpose = 'first_administrator' AND used_at IS NULL"
)
IS_USABLE: Final = "SELECT 1 FROM one_time_links WHERE link_key = $1 AND used_at IS NULL AND expires_at > $2"
USED_BY: Final = "SELECT used_by FROM one_time_links WHERE link_key = $1"


class PostgresLinks:
    """See `interface.Links`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def create(self, link: OneTimeLink, *, events: Sequence[Event]) -> None:
        await self._transitions.at_once(partial(_create, link, AuditRows(events)))

    async def get(self, key: HandleKey) -> OneTimeLink | None:
        row = await self._reader.row(GET, (key,))
        return LINK.decode(row[0]) if row else None

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
        run = partial(_create_first_administrator, key, user, identifiers, password, attempt, now, events)
        return await self._transitions.submit(run)


async def _create(link: OneTimeLink, audit: AuditRows, statements: Statements) -> None:
    values: dict[str, Value] = {
        "link_key": link.key,
        "expires_at": to_us(link.expires_at),
        "record": LINK.encode(link),
        "purpose": link.purpose,
    }
    creating = Winning(INSERT, values)
    creating.recorded(audit)
    await creating.row(statements)


async def _create_first_administrator(
    key: HandleKey,
    user: User,
    identifiers: Sequence[str],
    password: PasswordCredential,
    attempt: Attempt,
    now: datetime,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Gone | Conflict:
    if not await transaction.rows(IS_USABLE, (key, to_us(now))):
        return Done() if await transaction.row(USED_BY, (key,)) == (attempt,) else Gone()
    conflict = await insert_user(user, identifiers, password, transaction)
    if conflict is not None:
        return conflict
    if not await transaction.change(USE, (to_us(now), attempt)):
        raise AssertionError("the link was usable a statement ago")
    await transaction.record(events)
    return Done()
