"""What a refused token request changes: committed before the answer leaves, so that no crash undoes it."""

from datetime import datetime
from typing import assert_never

from innkeeper.oauth.errors import ExpiredToken, InvalidGrant, SlowDown
from innkeeper.server.flows.client_authentication import ClientRequest
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import Client
from innkeeper.server.model.events import CodeBurnt
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.protocol.grants import device_code
from innkeeper.server.protocol.grants.base import BurnCode, Nothing, PollDevice, Refusal
from innkeeper.server.storage.outcomes import Answered, Burnt, Expired, Gone, TooSoon, Waiting


async def commit_refusal(
    refusal: Refusal,
    request: ClientRequest,
    client: Client,
    attempt: Attempt,
    services: Services,
    now: datetime,
) -> bool:
    """False: it has changed meanwhile, decide again. Raises another `OAuthError` where that is the answer."""
    match refusal.consumption:
        case BurnCode():
            await _burn(refusal.consumption, request, client, attempt, services, now)
            return True
        case PollDevice(key=key):
            return await _poll(key, attempt, services, now)
        case Nothing():
            return True
        case _:
            assert_never(refusal.consumption)


async def _burn(
    burn: BurnCode,
    request: ClientRequest,
    client: Client,
    attempt: Attempt,
    services: Services,
    now: datetime,
) -> None:
    """A crash after the answer must not leave the code alive."""
    burnt = CodeBurnt(
        at=now, correlation_id=request.correlation_id, client_id=client.client_id, ip=request.address,
        grant_id=burn.grant_id,
    )  # fmt: skip
    outcome = await services.store.codes.burn(burn.key, attempt=attempt, now=now, events=[burnt])
    if isinstance(outcome, Burnt):  # not when there was nothing left to burn
        services.events.emit(burnt)


async def _poll(key: HandleKey, attempt: Attempt, services: Services, now: datetime) -> bool:
    """RFC 8628 §3.5: the store remembers the interval, so it is the same on every node."""
    match await services.store.device_codes.poll(key, attempt=attempt, now=now):
        case Waiting():
            return True
        case Answered():
            return False
        case TooSoon(interval_s=seconds):
            raise SlowDown(f"The device polls too often. Wait {seconds} seconds between polls from now on.")
        case Expired():
            raise ExpiredToken("The device code has expired. Ask for a new one.")
        case Gone():
            raise InvalidGrant(device_code.REFUSED, detail="used before, or its end was told before")
