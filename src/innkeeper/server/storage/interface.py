"""The store: one small protocol per noun, whose methods are reads and atomic transitions.

Every transition carries its condition and all its consequences, is durable when it returns, and says who won.
A transition that consumes something takes `attempt`: if this attempt already won, it returns that outcome
again, so only the store retries and always with the same attempt. `events` are audit rows written by the
transition itself, and only if it changed something. Every method may raise `StoreUnavailable`. A cancelled
caller does not cancel its transition.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import (
    ApiIdentifier,
    Attempt,
    ClientId,
    GrantId,
    HandleKey,
    Subject,
)
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.registry import RegistryChange, RegistrySnapshot
from innkeeper.server.model.role import Role
from innkeeper.server.model.session import Session
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import (
    Allowed,
    AlreadyRedeemed,
    Blocked,
    Burnt,
    CodeAndGrant,
    Conflict,
    Done,
    Gone,
    GrantStanding,
    Missing,
    OpaqueStanding,
    Redeemed,
    Replayed,
    SessionAndUser,
    Stale,
    UserAndPassword,
)


class Clients(Protocol):
    """Applications. Creating, replacing and deleting append to the registry changes."""

    async def get(self, client_id: ClientId) -> Client | None: ...
    async def list(self) -> tuple[Client, ...]: ...
    async def create(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict: ...
    async def replace(self, client: Client, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        """`client.revision` is the one read; the stored one becomes revision + 1. Conflict if it moved."""
        ...

    async def delete(self, client_id: ClientId, *, events: Sequence[Event]) -> Done | Missing:
        """With its consents. Its grants stay dead even if a client of this name is created again."""
        ...

    async def with_origin(self, origin: str) -> tuple[ClientId, ...]:
        """The enabled clients that registered this web origin (`allowed_origins`), for CORS."""
        ...


class Apis(Protocol):
    """APIs, by identifier."""

    async def get(self, identifier: ApiIdentifier) -> Api | None: ...
    async def create(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict: ...
    async def replace(self, api: Api, *, events: Sequence[Event]) -> Done | Conflict | Missing: ...
    async def delete(self, identifier: ApiIdentifier, *, events: Sequence[Event]) -> Done | Missing: ...


class Roles(Protocol):
    """Roles, by name."""

    async def get(self, name: str) -> Role | None: ...
    async def create(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict: ...
    async def replace(self, role: Role, *, events: Sequence[Event]) -> Done | Conflict | Missing: ...
    async def delete(self, name: str, *, events: Sequence[Event]) -> Done | Missing: ...


class SigningKeys(Protocol):
    """Signing keys. The registry snapshot carries their records."""

    async def list(self) -> tuple[SigningKeyRecord, ...]: ...
    async def put(
        self,
        records: Sequence[SigningKeyRecord],
        *,
        expected: Sequence[SigningKeyRecord],
        events: Sequence[Event],
    ) -> Done | Stale:
        """Replaces the whole set by `records` if it still equals `expected` (compared by kid and times)."""
        ...


class Registry(Protocol):
    """What every request reads, and how others learn that it moved."""

    async def snapshot(self) -> RegistrySnapshot: ...
    async def changes_since(self, epoch: int) -> tuple[RegistryChange, ...]: ...


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
    ) -> Done | Conflict: ...
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
        """Inserts the session and deletes the one it replaces.

        Stale if the person's epoch moved or they are disabled.
        """
        ...

    async def touch(self, key: HandleKey, *, last_used_at: datetime, idle_expires_at: datetime) -> None: ...
    async def end(self, key: HandleKey, *, events: Sequence[Event]) -> Done | Missing: ...


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


class Codes(Protocol):
    """Authorization codes, with the grants that they complete."""

    async def issue(
        self, code: AuthorizationCode, grant: Grant, *, attempt: Attempt, events: Sequence[Event]
    ) -> Done | Stale:
        """Inserts grant and code if `grant.epochs` are today's and client and person are enabled."""
        ...

    async def read(self, key: HandleKey) -> CodeAndGrant | None:
        """One indexed read, also of a redeemed or expired code."""
        ...

    async def redeem(
        self,
        key: HandleKey,
        *,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        redeemed: Sequence[Event],
        replayed: Sequence[Event],
    ) -> Redeemed | Replayed | Gone | Stale:
        """Only for an otherwise valid presentation.

        Not yet redeemed, not expired, grant not revoked and epochs unmoved: marks it with `attempt`, inserts
        the token: Redeemed. Redeemed by this attempt: Redeemed again. By another, or burnt: revokes the
        grant, Replayed, even when the code has expired or it comes once more. Unknown, or never redeemed and
        expired or its grant revoked: Gone.
        """
        ...

    async def burn(
        self, key: HandleKey, *, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Burnt | AlreadyRedeemed | Gone:
        """For a wrong presentation by the right client: it can never be redeemed; nothing is revoked."""
        ...


class Grants(Protocol):
    """Completed authorizations."""

    async def standing(self, grant_id: GrantId) -> GrantStanding | None:
        """One SELECT: the grant and today's epochs of person, client and consent."""
        ...

    async def opaque_standing(self, key: HandleKey) -> OpaqueStanding | None:
        """One SELECT for an opaque access token."""
        ...

    async def revoke(
        self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]
    ) -> Done | Missing: ...


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


class Store(Protocol):
    """A backend. `close()` waits for what has been accepted."""

    clients: Clients
    apis: Apis
    roles: Roles
    signing_keys: SigningKeys
    registry: Registry
    users: Users
    throttles: Throttles
    sessions: Sessions
    consents: Consents
    codes: Codes
    grants: Grants
    links: Links

    async def instance(self) -> Instance | None: ...
    async def claim_instance(self, instance: Instance) -> Instance:
        """Writes it once; returns what is stored, which may be another's."""
        ...

    async def probe(self) -> None:
        """Proves that a write can be made durable; raises StoreUnavailable otherwise (readiness)."""
        ...

    async def purge(self, *, now: datetime, limit: int) -> int:
        """Deletes at most `limit` rows whose time is over (with an hour's margin); says how many."""
        ...

    async def close(self) -> None: ...
