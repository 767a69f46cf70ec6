"""One use of one thing: what is made of it beforehand, how a rival uses it, and what the rival says of it."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from typing import Final, Protocol

import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.oauth.errors import InvalidClient, InvalidGrant, TemporarilyUnavailable
from innkeeper.oauth.parameters import Parameters
from innkeeper.server.flows import token
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.fresh import new_grant_id
from innkeeper.server.flows.services import Services
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, GrantId
from innkeeper.server.model.user import User
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.faults.races.world import people
from tests.world import TIMESHEETS, basic

HOUR: Final = timedelta(hours=1)
UNKNOWN: Final = "unknown"
"""503: the store gave up, and what was asked for has happened or not. At most once, like everything."""
_PEOPLE: Final = people()


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is raced for: what is sent, and the id of the grant that it belongs to, if any."""

    text: str
    grant_id: GrantId | None = None


class Kind(Protocol):
    """One way of being single-use."""

    name: str
    at_once: int
    """How many trials may run beside each other."""
    audited: tuple[str, ...]
    """The audit rows of which each success leaves one, and nothing else does (I8)."""

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """Fresh ones, stored."""
        ...

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """By the flow that a request would take. `won`, `refused`, or what went wrong."""
        ...

    def may_end(self, told: Counter[str]) -> bool:
        """Whether this is what the rivals of one trial may have been told."""
        ...

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """Whether what is left in the store is what should be left."""
        ...


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an app sends to the token endpoint."""

    form: dict[str, str]
    client_id: str | None = None
    """Whose name and secret stand in the header, if any."""

    @property
    def authorization(self) -> tuple[str, ...]:
        """The values of the header."""
        return () if self.client_id is None else (basic(self.client_id)["authorization"],)


async def exchanged(sent: TokenRequest, rival: int, services: Services) -> str:
    """By a rival of its own address: failures of one must not slow the others down."""
    request = ClientRequest(
        form=Parameters.from_pairs(sent.form.items()),
        authorization=sent.authorization,
        origin=None,
        address=f"2001:db8:{os.urandom(2).hex()}:{os.urandom(2).hex()}::{rival}",
        correlation_id="race",
    )
    try:
        answer = await token.exchange(request, services)
    except (InvalidGrant, InvalidClient):
        return "refused"
    except TemporarilyUnavailable as error:
        return error.description
    except StoreUnavailable:
        return UNKNOWN
    return told_of(answer.refresh_token)


def told_of(refresh_token: str | None) -> str:
    """`won`, and which successor."""
    return "won" if refresh_token is None else f"won {digest(refresh_token)}"


class TokenKind:
    """What is used at the token endpoint, with one winner."""

    tells_successor = False

    def request(self, ticket: Ticket) -> TokenRequest:
        """What is sent to use it."""
        raise NotImplementedError

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        return self.heard(await exchanged(self.request(ticket), rival, services))

    def heard(self, told: str) -> str:
        """Without the successor where everybody who wins has one of their own."""
        return told if self.tells_successor else told.partition(" ")[0]

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)


def one_winner(told: Counter[str]) -> bool:
    """Exactly one: none would be a loss, two a double spend. Who was not told may be the one."""
    is_one = told["won"] == 1 or (not told["won"] and told[UNKNOWN] > 0)
    return is_one and set(told) <= {"won", "refused", UNKNOWN}


def digest(text: str) -> str:
    """Told to the other process instead of the secret."""
    return sha256(text.encode()).hex()[:16]


def a_grant(user: User, client_id: str, scope: tuple[str, ...], services: Services) -> Grant:
    """Of this person, decided on records that nobody has changed."""
    now = services.clock.now()
    api: ApiIdentifier | None = TIMESHEETS if "offline_access" in scope else None
    return Grant(
        grant_id=new_grant_id(services.entropy), client_id=ClientId(client_id), user_id=user.user_id, api=api,
        scope=scope, sid=None, auth_time=now, amr=("pwd",), acr=None, created_at=now, expires_at=now + HOUR,
        epochs=Epochs(client_revision=1, client_epoch=1, user_epoch=1),
    )  # fmt: skip


def whose(number: int) -> User:
    """Takes turns."""
    return _PEOPLE[number % len(_PEOPLE)]


async def is_revoked(ticket: Ticket, services: Services) -> bool:
    assert ticket.grant_id is not None
    standing = await services.store.grants.standing(ticket.grant_id)
    assert standing is not None
    return standing.grant.revoked_at is not None
