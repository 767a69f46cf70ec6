"""Signing keys by hand: made at the first start, rotated on request (R-KE2)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace as with_changes

from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.server.flows import keys as key_ring
from innkeeper.server.flows.administer.refusal import TRIES, Refused
from innkeeper.server.flows.services import Services
from innkeeper.server.model.events import KeysRotated
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.protocol import key_schedule
from innkeeper.server.storage.outcomes import Done

MARGIN: Final = timedelta(hours=1)
"""Added to the life of the last token, for clocks that differ and answers under way."""


async def ensure(services: Services) -> None:
    """Every algorithm has a key that signs and the next one, published ahead."""
    now = services.clock.now()
    before = await services.store.signing_keys.list()
    made = [record for alg in SIGNING_ALGORITHMS for record in _missing(services, before, alg, now)]
    if made:
        # Stale: another process made them in this moment, and those are as good.
        events = [
            KeysRotated(at=now, alg=record.alg, kid=record.kid)
            for record in made
            if record.activates_at <= now
        ]
        await services.store.signing_keys.put([*before, *made], expected=before, events=events)


async def rotate(services: Services, alg: str, *, emergency: bool = False) -> SigningKeyRecord:
    """The next key signs from now on; the old one verifies until its last token has ended.

    In an emergency both are forgotten at once, with every token that they signed.
    """
    if alg not in SIGNING_ALGORITHMS:
        raise Refused(f"There are no {alg} keys. There are: {', '.join(SIGNING_ALGORITHMS)}.")
    longest = await _longest_token(services)
    for _ in range(TRIES):
        now = services.clock.now()
        before = await services.store.signing_keys.list()
        basis = tuple(record for record in before if record.alg != alg) if emergency else before
        records, current = _rotated(services, basis, alg, now, longest)
        event = KeysRotated(at=now, alg=alg, kid=current.kid)
        if isinstance(await services.store.signing_keys.put(records, expected=before, events=(event,)), Done):
            return current
    raise Refused("Somebody else is rotating keys at this moment. `innkeeper key list` shows the result.")


def state_of(key: SigningKeyRecord, keys: Iterable[SigningKeyRecord], now: datetime) -> str:
    """`next`, `signing`, `verifying` or `expired`."""
    if not key_schedule.is_published(key, now):
        return "expired"
    if now < key.activates_at:
        return "next"
    current = key_schedule.signing(keys, key.alg, now)
    return "signing" if current is not None and current.kid == key.kid else "verifying"


def _rotated(
    services: Services, before: tuple[SigningKeyRecord, ...], alg: str, now: datetime, longest: timedelta
) -> tuple[list[SigningKeyRecord], SigningKeyRecord]:
    mine = [record for record in before if record.alg == alg]
    upcoming = min(
        (record for record in mine if now < record.activates_at),
        key=lambda record: record.activates_at,
        default=None,
    )
    current = (
        with_changes(upcoming, activates_at=now)
        if upcoming is not None
        else key_ring.new_record(alg, services.at_rest, published_at=now, activates_at=now)
    )
    retired = {
        record.kid: with_changes(record, retires_at=now, expires_at=now + longest + MARGIN)
        for record in mine
        if key_schedule.may_sign(record, now)
    }
    kept = [retired.get(record.kid, record) for record in before if record.kid != current.kid]
    records = [record for record in (*kept, current) if key_schedule.is_published(record, now)]
    return [*records, *_missing(services, records, alg, now)], current


def _missing(
    services: Services, records: Iterable[SigningKeyRecord], alg: str, now: datetime
) -> list[SigningKeyRecord]:
    lifetimes = services.settings.lifetimes
    mine = [record for record in records if record.alg == alg]
    made = []
    current = key_schedule.signing(mine, alg, now)
    if current is None:
        current = key_ring.new_record(alg, services.at_rest, published_at=now, activates_at=now)
        made.append(current)
    if not any(now < record.activates_at for record in mine):
        turn = current.activates_at + timedelta(seconds=lifetimes.signing_key_s)
        earliest = now + timedelta(seconds=lifetimes.signing_key_published_ahead_s)
        made.append(
            key_ring.new_record(alg, services.at_rest, published_at=now, activates_at=max(turn, earliest))
        )
    return made


async def _longest_token(services: Services) -> timedelta:
    lifetimes = services.settings.lifetimes
    apis = (await services.store.registry.snapshot()).apis.values()
    ours = timedelta(seconds=max(lifetimes.id_token_s, lifetimes.userinfo_access_token_s))
    return max([ours, *(api.access_token_lifetime for api in apis)])
