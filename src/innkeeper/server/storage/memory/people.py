"""People, their identifiers and passwords, in memory."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import Subject
from innkeeper.server.model.user import User
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Conflict, Done, Missing, Stale, UserAndPassword


class MemoryUsers:
    """See `interface.Users`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, user_id: Subject) -> User | None:
        return self._tables.read(lambda: self._tables.users.get(user_id))

    async def list(self) -> tuple[User, ...]:
        users = self._tables.users
        return self._tables.read(lambda: tuple(users[user_id] for user_id in sorted(users)))

    async def for_sign_in(self, identifier: str) -> UserAndPassword | None:
        return self._tables.read(partial(self._for_sign_in, identifier))

    async def create(
        self,
        user: User,
        *,
        identifiers: Sequence[str],
        password: PasswordCredential | None,
        events: Sequence[Event],
    ) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._create, user, identifiers, password, events))

    async def replace(
        self, user: User, *, identifiers: Sequence[str], events: Sequence[Event]
    ) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._replace, user, identifiers, events))

    async def set_password(
        self,
        password: PasswordCredential,
        *,
        expected_hash: str | None,
        ends_everything: bool,
        events: Sequence[Event],
    ) -> Done | Stale | Missing:
        run = partial(self._set_password, password, expected_hash, ends_everything, events)
        return self._tables.transition(run)

    async def delete(self, user_id: Subject, *, events: Sequence[Event]) -> Done | Missing:
        return self._tables.transition(partial(self._delete, user_id, events))

    def _for_sign_in(self, identifier: str) -> UserAndPassword | None:
        user_id = self._tables.user_identifiers.get(identifier)
        if user_id is None:
            return None
        return UserAndPassword(user=self._tables.users[user_id], password=self._tables.passwords.get(user_id))

    def _create(
        self,
        user: User,
        identifiers: Sequence[str],
        password: PasswordCredential | None,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Conflict | Missing:
        if is_retry and self._tables.users.get(user.user_id) == user:
            return Done()
        if not self._tables.has_directory(user.directory):
            return Missing()
        conflict = insert_user(self._tables, user, identifiers, password)
        if conflict:
            return conflict
        self._tables.record(events)
        return Done()

    def _replace(
        self, user: User, identifiers: Sequence[str], events: Sequence[Event], is_retry: bool
    ) -> Done | Conflict | Missing:
        stored = self._tables.users.get(user.user_id)
        if stored is None:
            return Missing()
        successor = replace(user, revision=user.revision + 1)
        if is_retry and stored == successor:
            return Done()
        if stored.revision != user.revision:
            return Conflict(what="revision")
        taken = taken_identifier(self._tables, user.user_id, identifiers)
        if taken is not None:
            return Conflict(what=taken)
        self._tables.users[user.user_id] = successor
        _name(self._tables, user.user_id, identifiers)
        self._tables.record(events)
        return Done()

    def _set_password(
        self,
        password: PasswordCredential,
        expected_hash: str | None,
        ends_everything: bool,
        events: Sequence[Event],
        is_retry: bool,
    ) -> Done | Stale | Missing:
        user = self._tables.users.get(password.user_id)
        if user is None:
            return Missing()
        stored = self._tables.passwords.get(password.user_id)
        if is_retry and stored == password:
            return Done()
        if expected_hash is not None and (stored is None or stored.hash != expected_hash):
            return Stale()
        self._tables.passwords[password.user_id] = password
        if ends_everything:
            moved = replace(user, epoch=user.epoch + 1, revision=user.revision + 1)
            self._tables.users[user.user_id] = moved
        self._tables.record(events)
        return Done()

    def _delete(self, user_id: Subject, events: Sequence[Event], is_retry: bool) -> Done | Missing:
        tables = self._tables
        if tables.users.pop(user_id, None) is None:
            return Done() if is_retry else Missing()
        _name(tables, user_id, ())
        tables.passwords.pop(user_id, None)
        for session_key in [key for key, row in tables.sessions.items() if row.session.user_id == user_id]:
            del tables.sessions[session_key]
        for consent_key in [key for key in tables.consents if key[0] == user_id]:
            del tables.consents[consent_key]
        tables.record(events)
        return Done()


def insert_user(
    tables: Tables, user: User, identifiers: Sequence[str], password: PasswordCredential | None
) -> Conflict | None:
    """Part of the transition that is running; a Conflict has changed nothing."""
    taken = taken_identifier(tables, user.user_id, identifiers)
    if taken is not None:
        return Conflict(what=taken)
    if user.user_id in tables.users:
        return Conflict(what="user_id")
    tables.users[user.user_id] = user
    _name(tables, user.user_id, identifiers)
    if password is not None:
        tables.passwords[user.user_id] = password
    return None


def taken_identifier(tables: Tables, user_id: Subject, identifiers: Sequence[str]) -> str | None:
    """The first of these that belongs to somebody else."""
    owner_of = tables.user_identifiers.get
    return next((name for name in identifiers if owner_of(name, user_id) != user_id), None)


def _name(tables: Tables, user_id: Subject, identifiers: Sequence[str]) -> None:
    for name in [name for name, owner in tables.user_identifiers.items() if owner == user_id]:
        del tables.user_identifiers[name]
    tables.user_identifiers.update(dict.fromkeys(identifiers, user_id))
