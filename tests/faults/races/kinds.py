"""What may be used once, kind by kind: how many of them are made, how one is used, and how the race must end."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from innkeeper.jose.hashes import sha256
from innkeeper.oauth import pkce
from innkeeper.oauth.errors import InvalidClient, InvalidGrant
from innkeeper.oauth.parameters import Parameters
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import first_administrator, token
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.first_administrator import Chosen, LinkRefused
from innkeeper.server.flows.fresh import new_attempt, new_grant_id, new_handle
from innkeeper.server.flows.refresh_tokens import new_family
from innkeeper.server.flows.services import Services
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.user import User
from innkeeper.server.protocol.grants import client_credentials, device_code, jwt_bearer
from innkeeper.server.storage.outcomes import Done
from tests.assertions import by_assertion, claims, secret_assertion, signed
from tests.faults.races.world import PARTNER, people
from tests.world import PASSWORD, TIMESHEETS, VERIFIER, WEB_CALLBACK, basic, code_form

HOUR: Final = timedelta(hours=1)
BROWSER: Final = b"b" * 32
MOST_OVERLAPS: Final = 20
_PEOPLE: Final = people()
OFFLINE: Final = ("read:timesheets", "offline_access")


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is raced for: what is sent, and the id of the grant that it belongs to, if any."""

    text: str
    grant_id: str | None = None


class Kind(Protocol):
    """One way of being single-use."""

    name: str
    at_once: int
    """How many trials may run beside each other."""
    audited: str | None
    """The audit row that each success leaves, and nothing else does (I8)."""

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


def one_winner(told: Counter[str]) -> bool:
    """Exactly one: none would be a loss, two a double spend."""
    return told["won"] == 1 and set(told) <= {"won", "refused"}


async def exchanged(form: dict[str, str], rival: int, services: Services, *headers: str) -> str:
    """A token request of a rival of its own address: failures of one must not slow the others down."""
    request = ClientRequest(
        form=Parameters.from_pairs(form.items()),
        authorization=headers,
        origin=None,
        address=f"2001:db8:{os.urandom(2).hex()}:{os.urandom(2).hex()}::{rival}",
        correlation_id="race",
    )
    try:
        answer = await token.exchange(request, services)
    except (InvalidGrant, InvalidClient):
        return "refused"
    return f"won {digest(answer.refresh_token)}" if answer.refresh_token else "won"


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
    standing = await services.store.grants.standing(ticket.grant_id)  # type: ignore[arg-type]
    assert standing is not None
    return standing.grant.revoked_at is not None


class Code:
    """An authorization code: whoever comes second ends what the first one got."""

    name = "code"
    at_once = 64
    audited: str | None = "code.redeemed"
    _header = basic("web")["authorization"]

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        return await asyncio.gather(*(self._one(whose(number), services) for number in range(count)))

    async def _one(self, user: User, services: Services) -> Ticket:
        grant = a_grant(user, "web", ("profile",), services)
        text, key = new_handle(services.entropy, "ik_ac_", grant.expires_at)
        code = AuthorizationCode(
            key=key, grant_id=grant.grant_id, client_id=grant.client_id, redirect_uri=WEB_CALLBACK,
            code_challenge=pkce.s256(VERIFIER), nonce=None, issued_at=grant.created_at,
            expires_at=grant.created_at + timedelta(minutes=10),
        )  # fmt: skip
        attempt = new_attempt(services.entropy)
        assert await services.store.codes.issue(code, grant, attempt=attempt, events=()) == Done()
        return Ticket(text=text, grant_id=grant.grant_id)

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        return await exchanged(code_form(ticket.text), rival, services, self._header)

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return await is_revoked(ticket, services) == (width > 1)


class Refresh:
    """A refresh token of an app that allows no overlap: whoever comes second ends the family."""

    name = "refresh"
    at_once = 64
    audited: str | None = "refresh.rotated"
    client_id = "web"

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        client = await services.registry.client(self.client_id)
        assert client is not None
        tickets = (self._one(client, whose(number), services) for number in range(count))
        return await asyncio.gather(*tickets)

    async def _one(self, client: Client, user: User, services: Services) -> Ticket:
        grant = a_grant(user, client.client_id, OFFLINE, services)
        authorization = Authorization(
            client=client, user=user, api=None, scope=Scope(OFFLINE), grant_id=grant.grant_id
        )
        text, family = new_family(authorization, services, grant.created_at)
        outcome = await services.store.grants.open(
            grant, access_token=None, family=family, attempt=new_attempt(services.entropy), events=()
        )
        assert outcome == Done()
        return Ticket(text=text, grant_id=grant.grant_id)

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        form = {"grant_type": "refresh_token", "refresh_token": ticket.text}
        told = await exchanged(form, rival, services, basic(self.client_id)["authorization"])
        return told.partition(" ")[0]

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return await is_revoked(ticket, services) == (width > 1)


class Tabs(Refresh):
    """A refresh token of an app with an overlap: one rotation, whose successor twenty others are told as well."""

    name = "refresh-overlap"
    client_id = "tabs"

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`: the answers say which successor they got."""
        form = {"grant_type": "refresh_token", "refresh_token": ticket.text}
        return await exchanged(form, rival, services, basic(self.client_id)["authorization"])

    def may_end(self, told: Counter[str]) -> bool:
        """One successor, whoever is told it, and nobody is told it more often than is forgiven."""
        won = [count for words, count in told.items() if words.startswith("won ")]
        width = told.total()
        return len(won) == 1 and won[0] == min(width, 1 + MOST_OVERLAPS) and told["refused"] == width - won[0]

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return not await is_revoked(ticket, services)


class Device:
    """A device code that was approved: redeemed once, and the second time harms nobody."""

    name = "device"
    at_once = 64
    audited: str | None = "device.redeemed"

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        return await asyncio.gather(*(self._one(whose(number), services) for number in range(count)))

    async def _one(self, user: User, services: Services) -> Ticket:
        codes, now = services.store.device_codes, services.clock.now()
        grant = a_grant(user, "tv", ("profile",), services)
        text, key = new_handle(services.entropy, "ik_dc_", grant.expires_at)
        device = DeviceAuthorization(
            key=key, user_code_mac=os.urandom(33), client_id=grant.client_id, api=None, scope=grant.scope,
            created_at=now, expires_at=grant.expires_at, next_poll_at=now,
        )  # fmt: skip
        attempt = new_attempt(services.entropy)
        assert await codes.start(device, limits=(), attempt=attempt, now=now, events=()) == Done()
        assert await codes.claim(key, browser=BROWSER, now=now) == Done()
        approved = await codes.approve(
            key, grant, browser=BROWSER, attempt=new_attempt(services.entropy), now=now, events=()
        )
        assert approved == Done()
        return Ticket(text=text, grant_id=grant.grant_id)

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        form = {"grant_type": device_code.NAME, "device_code": ticket.text, "client_id": "tv"}
        return await exchanged(form, rival, services)

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return not await is_revoked(ticket, services)


class Assertion:
    """The `jti` by which an app proves itself (RFC 7523 §3): once, on whatever node."""

    name = "assertion"
    at_once = 64
    audited: str | None = None

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        now = int(time.time())
        jtis = (os.urandom(16).hex() for _ in range(count))
        return [Ticket(text=secret_assertion("cron", now=now, jti=jti)) for jti in jtis]

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        form = {"grant_type": client_credentials.ClientCredentials.name, "audience": TIMESHEETS}
        return await exchanged(form | by_assertion(ticket.text), rival, services)

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """Nothing is left but that it was used."""
        return True


class Statement:
    """What another issuer says about a person (RFC 7523 §2.1): it opens one grant."""

    name = "statement"
    at_once = 64
    audited: str | None = "grant.opened"

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        header, now = {"alg": "ES256", "kid": "ec", "typ": "JWT"}, int(time.time())
        said = (
            claims(PARTNER, now, sub=whose(number).user_id, jti=os.urandom(16).hex())
            for number in range(count)
        )
        return [Ticket(text=signed(header, payload)) for payload in said]

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        form = {"grant_type": jwt_bearer.JwtBearer.name, "assertion": ticket.text, "audience": TIMESHEETS}
        return await exchanged(form, rival, services, basic("bridge")["authorization"])

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """The grant that it opened is the winner's alone: nobody else has been given an id."""
        return True


class Link:
    """The one-time link of the first administrator. With one, all the others are used up: so one at a time."""

    name = "link"
    at_once = 1
    audited: str | None = "record.changed"

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        return [await self._one(services) for _ in range(count)]

    async def _one(self, services: Services) -> Ticket:
        expires_at: datetime = services.clock.now() + HOUR
        text, key = new_handle(services.entropy, "ik_ln_", expires_at)
        link = OneTimeLink(key=key, purpose="first_administrator", expires_at=expires_at)
        await services.store.links.create(link, events=())
        return Ticket(text=text)

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`: each rival wants to be the administrator under a name of their own."""
        chosen = Chosen(username=f"r{rival}-{digest(ticket.text)}", email="", password=PASSWORD)
        try:
            problem = await first_administrator.create(ticket.text, chosen, "198.51.100.7", services)
        except LinkRefused:
            return "refused"
        return problem or "won"

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """One of them exists."""
        names = (f"r{rival}-{digest(ticket.text)}" for rival in range(width))
        found = [await services.store.users.for_sign_in(name) for name in names]
        return sum(person is not None for person in found) == 1


KINDS: Final[Sequence[Kind]] = (Code(), Refresh(), Tabs(), Device(), Assertion(), Statement(), Link())
BY_NAME: Final = {kind.name: kind for kind in KINDS}
