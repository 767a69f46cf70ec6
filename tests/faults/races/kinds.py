"""What may be used once, kind by kind: how many of them are made, how one is used, and how the race must end."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from innkeeper.oauth import pkce
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import first_administrator
from innkeeper.server.flows.first_administrator import Chosen, LinkRefused
from innkeeper.server.flows.fresh import new_attempt, new_handle
from innkeeper.server.flows.refresh_tokens import new_family
from innkeeper.server.flows.services import Services
from innkeeper.server.model.authorization import Authorization
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.client import Client
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.one_time_link import OneTimeLink
from innkeeper.server.model.user import User
from innkeeper.server.protocol.grants import client_credentials, device_code, jwt_bearer
from innkeeper.server.storage.outcomes import Done, StoreUnavailable
from tests.assertions import by_assertion, claims, secret_assertion, signed
from tests.faults.races.answers import Answer
from tests.faults.races.rivals import (
    HOUR,
    UNKNOWN,
    Kind,
    Ticket,
    TokenKind,
    TokenRequest,
    a_grant,
    digest,
    is_revoked,
    one_winner,
    whose,
)
from tests.faults.races.world import PARTNER
from tests.world import PASSWORD, TIMESHEETS, VERIFIER, WEB_CALLBACK, code_form

BROWSER: Final = b"b" * 32
MOST_OVERLAPS: Final = 20
OFFLINE: Final = ("read:timesheets", "offline_access")


class Code(TokenKind):
    """An authorization code: whoever comes second ends what the first one got."""

    name = "code"
    at_once = 64
    audited: tuple[str, ...] = ("code.redeemed",)

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

    def request(self, ticket: Ticket) -> TokenRequest:
        """See `TokenKind`."""
        return TokenRequest(form=code_form(ticket.text), client_id="web")

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return await is_revoked(ticket, services) == (width > 1)


class Refresh(TokenKind):
    """A refresh token of an app that allows no overlap: whoever comes second ends the family."""

    name = "refresh"
    at_once = 64
    audited: tuple[str, ...] = ("refresh.rotated",)
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

    def request(self, ticket: Ticket) -> TokenRequest:
        """See `TokenKind`."""
        form = {"grant_type": "refresh_token", "refresh_token": ticket.text}
        return TokenRequest(form=form, client_id=self.client_id)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return await is_revoked(ticket, services) == (width > 1)


class Tabs(Refresh):
    """A refresh token of an app with an overlap: one rotation, whose successor twenty others are told as well."""

    name = "refresh-overlap"
    client_id = "tabs"
    tells_successor = True

    def may_end(self, told: Counter[str]) -> bool:
        """One successor, whoever is told it, and nobody is told it more often than is forgiven."""
        won = [count for words, count in told.items() if words.startswith("won ")]
        if told[UNKNOWN]:
            return len(won) <= 1
        width = told.total()
        return len(won) == 1 and won[0] == min(width, 1 + MOST_OVERLAPS) and told["refused"] == width - won[0]

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return not await is_revoked(ticket, services)


class Device(TokenKind):
    """A device code that was approved: redeemed once, and the second time harms nobody."""

    name = "device"
    at_once = 64
    audited: tuple[str, ...] = ("device.redeemed",)

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

    def request(self, ticket: Ticket) -> TokenRequest:
        """See `TokenKind`."""
        form = {"grant_type": device_code.NAME, "device_code": ticket.text, "client_id": "tv"}
        return TokenRequest(form=form)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """See `Kind`."""
        return not await is_revoked(ticket, services)


class Assertion(TokenKind):
    """The `jti` by which an app proves itself (RFC 7523 §3): once, on whatever node."""

    name = "assertion"
    at_once = 64
    audited: tuple[str, ...] = ()

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        now, issuer = int(time.time()), services.settings.issuer
        jtis = (os.urandom(16).hex() for _ in range(count))
        return [Ticket(text=secret_assertion("cron", now=now, jti=jti, aud=issuer)) for jti in jtis]

    def request(self, ticket: Ticket) -> TokenRequest:
        """See `TokenKind`."""
        form = {"grant_type": client_credentials.ClientCredentials.name, "audience": TIMESHEETS}
        return TokenRequest(form=form | by_assertion(ticket.text))

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """Nothing is left but that it was used."""
        return True


class Statement(TokenKind):
    """What another issuer says about a person (RFC 7523 §2.1): it opens one grant."""

    name = "statement"
    at_once = 64
    audited: tuple[str, ...] = ("grant.opened",)

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        header, now = {"alg": "ES256", "kid": "ec", "typ": "JWT"}, int(time.time())
        about = {"aud": services.settings.issuer}
        said = (
            claims(PARTNER, now, sub=whose(number).user_id, jti=os.urandom(16).hex(), **about)
            for number in range(count)
        )
        return [Ticket(text=signed(header, payload)) for payload in said]

    def request(self, ticket: Ticket) -> TokenRequest:
        """See `TokenKind`."""
        form = {"grant_type": jwt_bearer.JwtBearer.name, "assertion": ticket.text, "audience": TIMESHEETS}
        return TokenRequest(form=form, client_id="bridge")

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """The grant that it opened is the winner's alone: nobody else has been given an id."""
        return True


class Link:
    """The one-time link of the first administrator. With one, all the others are used up: so one at a time."""

    name = "link"
    at_once = 1
    audited: tuple[str, ...] = ("record.changed",)

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
        except StoreUnavailable:
            return UNKNOWN
        return problem or "won"

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """One of them exists."""
        names = (f"r{rival}-{digest(ticket.text)}" for rival in range(width))
        found = [await services.store.users.for_sign_in(name) for name in names]
        return sum(person is not None for person in found) == 1


KINDS: Final[Sequence[Kind]] = (
    Code(), Refresh(), Tabs(), Device(), Answer(), Assertion(), Statement(), Link(),
)  # fmt: skip
TOKEN_KINDS: Final = tuple(kind for kind in KINDS if isinstance(kind, TokenKind))
BY_NAME: Final = {kind.name: kind for kind in KINDS}
