"""People, their identifiers and passwords, in SQLite."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import Subject
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import Conflict, Done, Missing, Stale, UserAndPassword
from innkeeper.server.storage.rows import PASSWORD, USER
from innkeeper.server.storage.sqlite.directories import has_directory
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

GET: Final = "SELECT record FROM users WHERE user_id = ?1"
LIST: Final = "SELECT record FROM users ORDER BY user_id"
FOR_SIGN_IN: Final = (
    "SELECT u.record, p.record FROM user_identifiers i JOIN users u ON u.user_id = i.user_id"
    " LEFT JOIN passwords p ON p.user_id = i.user_id WHERE i.identifier = ?1"
)
INSERT: Final = (
    "INSERT INTO users (user_id, revision, epoch, is_enabled, record, directory)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT (user_id) DO NOTHING"
)
REPLACE: Final = (
    "UPDATE users SET revision = ?2, epoch = ?3, is_enabled = ?4, record = ?5"
    " WHERE user_id = ?1 AND revision = ?6"
)
DELETE: Final = "DELETE FROM users WHERE user_id = ?1"
OWNER: Final = "SELECT user_id FROM user_identifiers WHERE identifier = ?1"
INSERT_IDENTIFIER: Final = "INSERT INTO user_identifiers (identifier, user_id) VALUES (?1, ?2)"
DELETE_IDENTIFIERS: Final = "DELETE FROM user_identifiers WHERE user_id = ?1"
GET_PASSWORD: Final = "SELECT hash, record FROM passwords WHERE user_id = ?1"
PUT_PASSWORD: Final = (
    "INSERT INTO passwords (user_id, hash, record) VALUES (?1, ?2, ?3)"
    " ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, record = excluded.record"
)
DELETE_PASSWORD: Final = "DELETE FROM passwords WHERE user_id = ?1"
DELETE_SESSIONS: Final = "DELETE FROM sessions WHERE user_id = ?1"
DELETE_CONSENTS: Final = "DELETE FROM consents WHERE user_id = ?1"


class SqliteUsers:
    """See `interface.Users`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, user_id: Subject) -> User | None:
        row = self._reader.row(GET, (user_id,))
        return USER.decode(row[0]) if row else None

    async def list(self) -> tuple[User, ...]:
        return tuple(USER.decode(record) for (record,) in await self._reader.scan(LIST))

    async def for_sign_in(self, identifier: str) -> UserAndPassword | None:
        row = self._reader.row(FOR_SIGN_IN, (identifier,))
        if row is None:
            return None
        password = PASSWORD.decode(row[1]) if row[1] is not None else None
        return UserAndPassword(user=USER.decode(row[0]), password=password)

    async def create(
        self,
        user: User,
        *,
        identifiers: Sequence[str],
        password: PasswordCredential | None,
        events: Sequence[Event],
    ) -> Done | Conflict | Missing:
        return await self._writer.submit(partial(_create, user, identifiers, password, events))

    async def replace(
        self, user: User, *, identifiers: Sequence[str], events: Sequence[Event]
    ) -> Done | Conflict | Missing:
        return await self._writer.submit(partial(_replace, user, identifiers, events))

    async def set_password(
        self,
        password: PasswordCredential,
        *,
        expected_hash: str | None,
        ends_everything: bool,
        events: Sequence[Event],
    ) -> Done | Stale | Missing:
        run = partial(_set_password, password, expected_hash, ends_everything, events)
        return await self._writer.submit(run)

    async def delete(self, user_id: Subject, *, events: Sequence[Event]) -> Done | Missing:
        return await self._writer.submit(partial(_delete, user_id, events))


def insert_user(
    user: User, identifiers: Sequence[str], password: PasswordCredential | None, transaction: Transaction
) -> Conflict | None:
    """Part of the transition that is running; a Conflict has changed nothing."""
    taken = _taken_identifier(user.user_id, identifiers, transaction)
    if taken is not None:
        return Conflict(what=taken)
    values = (user.user_id, user.revision, user.epoch, user.is_enabled, USER.encode(user), user.directory)
    if not transaction.change(INSERT, values):
        return Conflict(what="user_id")
    _name(user.user_id, identifiers, transaction)
    if password is not None:
        transaction.change(PUT_PASSWORD, (user.user_id, password.hash, PASSWORD.encode(password)))
    return None


def _create(
    user: User,
    identifiers: Sequence[str],
    password: PasswordCredential | None,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Conflict | Missing:
    if transaction.is_retry and transaction.row(GET, (user.user_id,)) == (USER.encode(user),):
        return Done()
    if not has_directory(user.directory, transaction):
        return Missing()
    conflict = insert_user(user, identifiers, password, transaction)
    if conflict is None:
        transaction.record(events)
        return Done()
    return conflict


def _replace(
    user: User, identifiers: Sequence[str], events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    successor = replace(user, revision=user.revision + 1)
    row = transaction.row(GET, (user.user_id,))
    if row is None:
        return Missing()
    if transaction.is_retry and row[0] == USER.encode(successor):
        return Done()
    taken = _taken_identifier(user.user_id, identifiers, transaction)
    if USER.decode(row[0]).revision == user.revision and taken is not None:
        return Conflict(what=taken)
    if not _update(successor, user.revision, transaction):
        return Conflict(what="revision")
    transaction.change(DELETE_IDENTIFIERS, (user.user_id,))
    _name(user.user_id, identifiers, transaction)
    transaction.record(events)
    return Done()


def _set_password(
    password: PasswordCredential,
    expected_hash: str | None,
    ends_everything: bool,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale | Missing:
    user_row = transaction.row(GET, (password.user_id,))
    if user_row is None:
        return Missing()
    record = PASSWORD.encode(password)
    stored = transaction.row(GET_PASSWORD, (password.user_id,))
    if transaction.is_retry and stored is not None and stored[1] == record:
        return Done()
    if expected_hash is not None and (stored is None or stored[0] != expected_hash):
        return Stale()
    transaction.change(PUT_PASSWORD, (password.user_id, password.hash, record))
    if ends_everything:
        user = USER.decode(user_row[0])
        _update(replace(user, epoch=user.epoch + 1, revision=user.revision + 1), user.revision, transaction)
    transaction.record(events)
    return Done()


def _delete(user_id: Subject, events: Sequence[Event], transaction: Transaction) -> Done | Missing:
    if not transaction.change(DELETE, (user_id,)):
        return Done() if transaction.is_retry else Missing()
    for sql in (DELETE_IDENTIFIERS, DELETE_PASSWORD, DELETE_SESSIONS, DELETE_CONSENTS):
        transaction.change(sql, (user_id,))
    transaction.record(events)
    return Done()


def _update(user: User, expected_revision: int, transaction: Transaction) -> int:
    record = USER.encode(user)
    values = (user.user_id, user.revision, user.epoch, user.is_enabled, record, expected_revision)
    return transaction.change(REPLACE, values)


def _taken_identifier(user_id: Subject, identifiers: Sequence[str], transaction: Transaction) -> str | None:
    """The first of these that belongs to somebody else."""
    for name in identifiers:
        owner = transaction.row(OWNER, (name,))
        if owner is not None and owner[0] != user_id:
            return name
    return None


def _name(user_id: Subject, identifiers: Sequence[str], transaction: Transaction) -> None:
    for name in dict.fromkeys(identifiers):
        transaction.change(INSERT_IDENTIFIER, (name, user_id))
