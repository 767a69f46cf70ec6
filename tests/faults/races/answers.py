"""A person's answer to a device that waits (RFC 8628 §3.3): yes or no, and whichever comes first is final."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from datetime import timedelta
from typing import Final

from innkeeper.oauth.errors import AccessDenied
from innkeeper.oauth.response_type import ResponseType
from innkeeper.oauth.scope import Scope
from innkeeper.server.flows import device_answers
from innkeeper.server.flows.browser import Browser, SignedIn
from innkeeper.server.flows.complete import Finished
from innkeeper.server.flows.device_answers import DeviceGone
from innkeeper.server.flows.fresh import new_attempt, new_handle, new_session_id
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.grant import NO_NAMED_CLAIMS, Epochs
from innkeeper.server.model.handle import key_of
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.model.session import Session
from innkeeper.server.protocol.authorize import AuthorizationRequest
from innkeeper.server.protocol.target import Target
from innkeeper.server.protocol.waiting_device import DeviceReference, WaitingDevice
from innkeeper.server.storage.outcomes import DeviceAndGrant, Done, StoreUnavailable
from tests.faults.races.rivals import HOUR, UNKNOWN, Ticket, one_winner, whose

BROWSER: Final = Browser(binding="b" * 22, session=None, address="198.51.100.7", correlation_id="race")
_PERSON: Final = whose(0)


class Answer:
    """In the browser that has claimed the device, two tabs of it perhaps: half of the rivals allow, half refuse."""

    name = "answer"
    at_once = 64
    audited: tuple[str, ...] = ("device.approved", "device.denied")

    async def make(self, count: int, services: Services) -> list[Ticket]:
        """See `Kind`."""
        return await asyncio.gather(*(self._one(services) for _ in range(count)))

    async def _one(self, services: Services) -> Ticket:
        codes, now = services.store.device_codes, services.clock.now()
        text, key = new_handle(services.entropy, "ik_dc_", now + HOUR)
        device = DeviceAuthorization(
            key=key, user_code_mac=os.urandom(33), client_id=ClientId("tv"), api=None, scope=("profile",),
            created_at=now, expires_at=now + HOUR, next_poll_at=now,
        )  # fmt: skip
        attempt = new_attempt(services.entropy)
        assert await codes.start(device, limits=(), attempt=attempt, now=now, events=()) == Done()
        claim = device_answers.claim_of(BROWSER)
        assert claim is not None
        assert await codes.claim(key, browser=claim, now=now) == Done()
        return Ticket(text=text)

    async def use(self, ticket: Ticket, rival: int, services: Services) -> str:
        """See `Kind`."""
        try:
            finished = await self._finished(ticket, services)
            if finished is None:
                return "refused"
            if rival % 2:
                done = await device_answers.refuse(
                    finished.request.target, AccessDenied("No."), BROWSER, services
                )
            else:
                done = await device_answers.approve(finished, BROWSER, services) or "stale"
        except DeviceGone:
            return "refused"
        except StoreUnavailable:
            return UNKNOWN
        return "won" if done in (device_answers.CONNECTED, device_answers.REFUSED) else done

    def may_end(self, told: Counter[str]) -> bool:
        """See `Kind`."""
        return one_winner(told)

    async def is_well(self, ticket: Ticket, width: int, services: Services) -> bool:
        """It was allowed and has a grant, or it was refused and has none."""
        found = await _read(ticket, services)
        if isinstance(found, DeviceAndGrant):
            return found.device.state == "approved"
        return found is not None and found.state == "denied" and found.grant_id is None

    async def _finished(self, ticket: Ticket, services: Services) -> Finished | None:
        """What the pages have gathered when the person presses the last button; None: the page says it is over."""
        found, client = await _read(ticket, services), await services.registry.client(ClientId("tv"))
        if not isinstance(found, DeviceAuthorization) or client is None or found.state != "pending":
            return None
        return Finished(
            request=_request(found, client),
            person=SignedIn(session=_session(services), user=_PERSON),
            scope=Scope(found.scope),
            claims=NO_NAMED_CLAIMS,
            epochs=Epochs(
                client_revision=client.revision, client_epoch=client.epoch, user_epoch=_PERSON.epoch
            ),
        )


async def _read(ticket: Ticket, services: Services) -> DeviceAuthorization | DeviceAndGrant | None:
    key = key_of("ik_dc_", ticket.text)
    assert key is not None
    return await services.store.device_codes.read(key)


def _request(device: DeviceAuthorization, client: Client) -> AuthorizationRequest:
    reference = DeviceReference(key=device.key, user_code="BCDF-GHJK", is_confirmed=True)
    target = Target(
        client=client, redirect_uri="", redirect_uri_sent=None, response_mode="query", state=None,
        device=WaitingDevice(reference=reference, record=device),
    )  # fmt: skip
    return AuthorizationRequest(
        target=target, response_type=ResponseType.parse("code"), scope=Scope(device.scope), api=None, nonce=None,
        code_challenge=None, prompt=frozenset(), max_age=None, ui_locales=None,
    )  # fmt: skip


def _session(services: Services) -> Session:
    now = services.clock.now()
    _, key = new_handle(services.entropy, "ik_se_", now + HOUR)
    return Session(
        key=key, sid=new_session_id(services.entropy), user_id=_PERSON.user_id, user_epoch=1, auth_time=now,
        amr=("pwd",), acr=None, created_at=now, last_used_at=now, idle_expires_at=now + timedelta(minutes=30),
        absolute_expires_at=now + HOUR,
    )  # fmt: skip
