"""People, what they prove themselves with, their browsers and what they allowed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.identifiers import (
    ApiIdentifier,
    Attempt,
    ClientId,
    HandleKey,
    Subject,
)
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.session import Session
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import (
    Allowed,
    Blocked,
    Conflict,
    Done,
    Gone,
    Missing,
    SessionAndUser,
    Stale,
    UserAndPassword,
)


class Users(Protocol):
    """People, their identifiers (unique, already normalised by the caller) and passwords."""

    async def get(self, user_id: Subject) -> User | None: ...
    async def list(self) -> tuple[User, ...]: ...
    async def for_sign_in(self, identifier: str) -> UserAndPassword | None: ...
    async def create(
        self,
        user: User,
        *,
        identifiers: Sequence[str],
        password: PasswordCredential | None,
        events: Sequence[Event],
    ) -> Done | Conflict | Missing:
        """Conflict names a taken identifier. Missing: there is no directory of that name."""
        ...

    async def replace(
        self, user: User, *, identifiers: Sequence[str], events: Sequence[Event]
    ) -> Done | Conflict | Missing:
        """Like `Clients.replace`; `identifiers` become the whole set. Conflict names a taken identifier."""
        ...

    async def set_password(
        self,
        password: PasswordCredential,
        *,
        expected_hash: str | None,
        ends_everything: bool,
        events: Sequence[Event],
    ) -> Done | Stale | Missing:
        """`expected_hash` (rehash at sign-in): Stale when another hash is stored.

        `ends_everything` moves the person's epoch, and with it the revision.
        """
        ...

    async def delete(self, user_id: Subject, *, events: Sequence[Event]) -> Done | Missing:
        """With identifiers, password, sessions and consents; grants die with the missing row."""
        ...


class Throttles(Protocol):
    """Counters of attempts."""

    async def attempt(self, limits: Sequence[AttemptLimit], *, now: datetime) -> Allowed | Blocked:
        """Counts one attempt on every key, or on none if any is used up (the latest `until` is returned)."""
        ...

    async def forget(self, keys: Sequence[bytes]) -> None:
        """After a success."""
        ...


class Sessions(Protocol):
    """Signed-in browsers."""

    async def get(self, key: HandleKey) -> SessionAndUser | None:
        """Also of an expired session: the caller judges by its own clock."""
        ...

    async def start(
        self, session: Session, *, replaces: HandleKey | None, attempt: Attempt, events: Sequence[Event]
    ) -> Done | Stale:
        """Inserts the session and deletes the one it replaces, which ends if it has another `sid`: see `end`.

        Stale if the person's epoch moved or they are disabled.
        """
        ...

    async def touch(self, key: HandleKey, *, last_used_at: datetime, idle_expires_at: datetime) -> None: ...
    async def end(self, key: HandleKey, *, events: Sequence[Event]) -> Done | Missing:
        """Ends the session of this handle, with every other handle of its `sid`.

        What is bound to it dies with the missing row: no code of it is redeemed, none is issued, no token lives.
        That there is none (any more) is as safe as if this had ended it.
        """
        ...


class Consents(Protocol):
    """Remembered consents, by person, client and API."""

    async def of(self, user_id: Subject, client_id: ClientId) -> tuple[Consent, ...]: ...
    async def allow(
        self,
        user_id: Subject,
        client_id: ClientId,
        additions: Sequence[tuple[ApiIdentifier | None, Scope]],
        *,
        answered: tuple[ApiIdentifier | None, Scope],
        epochs: Epochs,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Stale:
        """Adds, never removes. Stale if the client's revision or the person's epoch moved.

        What was allowed for an API that was deleted is no part of what is allowed for the next of its name.

        `answered` names one row (made if it is missing) and replaces its `answered` by this scope, empty to
        forget.
        """
        ...

    async def revoke(
        self, user_id: Subject, client_id: ClientId, *, events: Sequence[Event]
    ) -> Done | Missing:
        """Empties every consent of this pair and moves their epochs, which ends the grants that carry them.

        A grant whose consent was skipped (no row, epoch 0) ends too: the missing row is written.
        """
        ...


class Links(Protocol):
    """One-time links."""

    async def create(self, link: OneTimeLink, *, events: Sequence[Event]) -> None: ...
    async def get(self, key: HandleKey) -> OneTimeLink | None:
        """None when unknown or used."""
        ...

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
        """Uses up the link, with every other for the same purpose, and creates the person: all or nothing."""
        ...
