"""Everything a flow may use, passed explicitly in one frozen record. No globals, no context variables."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from innkeeper.server.config import Settings
from innkeeper.server.flows.client_keys import ClientKeys
from innkeeper.server.flows.doubts import Doubts
from innkeeper.server.flows.failed_clients import FailedClients
from innkeeper.server.flows.fresh import Entropy
from innkeeper.server.flows.keys import KeyRing
from innkeeper.server.flows.readiness import Readiness
from innkeeper.server.flows.registry import Registry
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.subjects import Subjects
from innkeeper.server.hooks import Hooks
from innkeeper.server.model.events import Event
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.storage.interface import Store


class Clock(Protocol):
    """What time it is, as an aware UTC instant that is never before an earlier one."""

    def now(self) -> datetime: ...
    def check(self) -> None:
        """Raises `StoreUnavailable` where the time is not known well enough: the node is not ready."""
        ...


class Passwords(Protocol):
    """The bounded pool that hashes off the event loop. Raises `Busy` when its queue is full."""

    async def verify(self, hash: str | None, password: str) -> bool:  # noqa: A002
        """Against a dummy hash of the same cost when there is none, so that time tells nothing."""
        ...

    async def hash(self, password: str) -> str: ...
    def needs_rehash(self, hash: str) -> bool: ...  # noqa: A002


class EventSink(Protocol):
    """Where events are told. Never blocks, never raises."""

    def emit(self, event: Event) -> None: ...


class Busy(Exception):
    """A bounded queue is full: answered with 503 and `Retry-After`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """One per process."""

    settings: Settings
    store: Store
    registry: Registry
    keys: KeyRing
    client_keys: ClientKeys
    failed_clients: FailedClients
    seals: Seals
    at_rest: Seals
    """For what is stored sealed. It belongs to the database, whatever its issuer is called."""
    subjects: Subjects
    clock: Clock
    entropy: Entropy
    passwords: Passwords
    events: EventSink
    grants: tuple[GrantType, ...]
    hooks: Hooks
    readiness: Readiness = field(default_factory=Readiness)
    doubts: Doubts = field(default_factory=Doubts)
