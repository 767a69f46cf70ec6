"""The dictionaries behind the memory store, and the one lock that makes its transitions atomic."""

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import RLock
from typing import TypeVar

import msgspec

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.api import Api
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.credential import PasswordCredential
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.directory import DEFAULT_DIRECTORY, Directory
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import (
    ApiIdentifier,
    Attempt,
    ClientId,
    DirectoryName,
    GrantId,
    HandleKey,
    IssuerName,
    KeyId,
    SessionId,
    Subject,
)
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.role import Role
from innkeeper.server.model.session import Session
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.model.user import User
from innkeeper.server.storage.audit_row import AuditRow
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.registry_history import ChangeRow, new_tag

T = TypeVar("T")
ConsentKey = tuple[Subject, ClientId, ApiIdentifier | None]


class CodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A code and what has happened to it."""

    code: AuthorizationCode
    issued_by: Attempt
    redeemed_by: Attempt | None = None
    burnt_by: Attempt | None = None

    @property
    def is_spent(self) -> bool:
        """It was redeemed or burnt, so it can never be redeemed again."""
        return self.redeemed_by is not None or self.burnt_by is not None


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A session and the attempt that started it."""

    session: Session
    started_by: Attempt


class LinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time link and the attempt that used it."""

    link: OneTimeLink
    used_by: Attempt | None = None


class DeviceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A waiting device and the attempts that changed it; `polled` is what its last poll was told."""

    device: DeviceAuthorization
    started_by: Attempt
    answered_by: Attempt | None = None
    redeemed_by: Attempt | None = None
    polled_by: Attempt | None = None
    polled: str | None = None


class ThrottleRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts this window has seen."""

    used: int
    window_ends_at: datetime


class AssertionIdRow(msgspec.Struct, frozen=True, kw_only=True):
    """An assertion that was used, and the attempt that used it."""

    expires_at: datetime
    claimed_by: Attempt


class LeaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a lease is."""

    holder: Attempt
    expires_at: datetime


class Tables:
    """All state. Whatever reads or writes it holds `lock`, so threads may share one store."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.counters = Counters()
        self.is_away = False
        self.loses_next_answer = False
        self.clients: dict[ClientId, Client] = {}
        self.client_tombstones: dict[ClientId, int] = {}
        self.tokens_not_before: dict[ClientId, datetime] = {}
        self.apis: dict[ApiIdentifier, Api] = {}
        self.roles: dict[str, Role] = {}
        self.directories: dict[DirectoryName, Directory] = {}
        self.trusted_issuers: dict[IssuerName, TrustedIssuer] = {}
        self.signing_keys: dict[KeyId, SigningKeyRecord] = {}
        self.registry_changes: list[ChangeRow] = []
        self.users: dict[Subject, User] = {}
        self.user_identifiers: dict[str, Subject] = {}
        self.passwords: dict[Subject, PasswordCredential] = {}
        self.sessions: dict[HandleKey, SessionRow] = {}
        self.consents: dict[ConsentKey, Consent] = {}
        self.grants: dict[GrantId, Grant] = {}
        self.opened_by: dict[GrantId, Attempt] = {}
        self.codes: dict[HandleKey, CodeRow] = {}
        self.access_tokens: dict[HandleKey, OpaqueAccessToken] = {}
        self.refresh_families: dict[HandleKey, RefreshFamily] = {}
        self.denied_tokens: dict[HandleKey, datetime] = {}
        self.device_codes: dict[HandleKey, DeviceRow] = {}
        self.throttles: dict[bytes, ThrottleRow] = {}
        self.links: dict[HandleKey, LinkRow] = {}
        self.assertion_ids: dict[bytes, AssertionIdRow] = {}
        self.leases: dict[str, LeaseRow] = {}
        self.audit: list[AuditRow] = []
        self.instance: Instance | None = None

    def transition(self, run: Callable[[bool], T]) -> T:
        """Runs it alone. `run` is told whether it is a retry after an answer that was lost."""
        with self.lock:
            self._require_presence()
            self.counters.transitions += 1
            outcome = run(False)
            if self.loses_next_answer:
                self.loses_next_answer = False
                outcome = run(True)
            return outcome

    def read(self, run: Callable[[], T]) -> T:
        with self.lock:
            self._require_presence()
            self.counters.reads += 1
            return run()

    def record(self, events: Sequence[Event]) -> None:
        """Audit rows of the transition that is running."""
        for event in events:
            row = AuditRow(at=event.at, type=event.type, record=msgspec.json.encode(event))
            self.audit.append(row)

    def note_change(self, kind: str, record_id: str) -> None:
        epoch = self.registry_epoch + 1
        self.registry_changes.append((epoch, kind, record_id, new_tag()))

    @property
    def registry_epoch(self) -> int:
        """The number of the newest registry change."""
        return self.registry_changes[-1][0] if self.registry_changes else 0

    def has_directory(self, name: DirectoryName) -> bool:
        """The default one needs no record."""
        return name == DEFAULT_DIRECTORY or name in self.directories

    def consent_epoch(self, user_id: Subject, client_id: ClientId, api: ApiIdentifier | None) -> int:
        """A missing consent counts as epoch 0, so a skipped one compares equal until it is revoked."""
        consent = self.consents.get((user_id, client_id, api))
        return consent.epoch if consent else 0

    def consents_of(self, user_id: Subject, client_id: ClientId) -> tuple[Consent, ...]:
        """What this person has allowed this client, ordered by API."""
        found = [c for key, c in self.consents.items() if key[:2] == (user_id, client_id)]
        return tuple(sorted(found, key=lambda consent: consent.api or ""))

    def session_ends_at(self, sid: SessionId | None) -> datetime | None:
        """When the last of its handles runs out; None when it has ended or there is none."""
        ends = [
            min(row.session.idle_expires_at, row.session.absolute_expires_at)
            for row in self.sessions.values()
            if sid is not None and row.session.sid == sid
        ]
        return max(ends, default=None)

    def end_session(self, sid: SessionId) -> None:
        """All its handles: two tabs that sign in at once leave two."""
        for key in [key for key, row in self.sessions.items() if row.session.sid == sid]:
            del self.sessions[key]

    def may_begin(self, grant: Grant) -> bool:
        """Everything that the decision was based on is as it was, the session included."""
        consent_epoch = self.consent_epoch(grant.user_id, grant.client_id, grant.api)
        return (grant.sid is None or self.session_ends_at(grant.sid) is not None) and self.is_current(
            grant.user_id, grant.client_id, grant.epochs, consent_epoch=consent_epoch
        )

    def is_current(
        self, user_id: Subject, client_id: ClientId, epochs: Epochs, *, consent_epoch: int | None = None
    ) -> bool:
        """Client and person are enabled and are still what the decision was based on."""
        client, user = self.clients.get(client_id), self.users.get(user_id)
        return (
            client is not None
            and user is not None
            and client.is_enabled
            and user.is_enabled
            and (client.revision, client.epoch) == (epochs.client_revision, epochs.client_epoch)
            and user.epoch == epochs.user_epoch
            and consent_epoch in (None, epochs.consent_epoch)
        )

    def revoke(self, grant: Grant, now: datetime, events: Sequence[Event]) -> None:
        """Once: what was revoked before keeps its instant and leaves no second audit row."""
        if grant.revoked_at is None:
            self.grants[grant.grant_id] = msgspec.structs.replace(grant, revoked_at=now)
            self.record(events)

    def _require_presence(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the memory store is away")
