"""Keeps the signing keys in their schedule: the first ones, the next ahead, the old until it is not needed.

Run at the start, by the clock and by hand; a second process that does the same at the same moment changes
nothing, since the store replaces the set only while it is the one that the plan was made on.
"""

import asyncio
from collections.abc import Container, Iterable
from datetime import datetime, timedelta
from typing import Final

from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.server.config import Lifetimes
from innkeeper.server.flows.keys import new_record
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.services import Clock
from innkeeper.server.model.api import Api
from innkeeper.server.model.events import KeysRotated
from innkeeper.server.model.identifiers import KeyId
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.protocol import key_schedule
from innkeeper.server.protocol.key_schedule import KeyTimes, NewKey
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.outcomes import Done, StoreUnavailable

LEEWAY: Final = timedelta(hours=1)
"""For clocks that differ and answers under way."""
LEAST_AFTERLIFE: Final = timedelta(days=1)
"""An API's token lifetime may have been longer yesterday: an old key stays at least so long."""
TRIES: Final = 4


async def ensure_keys(
    store: Store, seals: Seals, now: datetime, lifetimes: Lifetimes
) -> tuple[KeysRotated, ...]:
    """Does what is due, usually nothing. The events are in the audit table; the caller emits them."""
    return await _carry_out(store, seals, now, lifetimes)


async def rotate_now(
    store: Store,
    seals: Seals,
    clock: Clock,
    *,
    alg: str | None,
    lifetimes: Lifetimes,
    emergency: bool = False,
) -> tuple[KeyId, ...]:
    """The next key of `alg`, or of every algorithm, signs from now on.

    In an emergency the old ones are forgotten at once, with every token that they signed.
    """
    algs = SIGNING_ALGORITHMS if alg is None else (alg,)
    forget = algs if emergency else ()
    rotated = await _carry_out(store, seals, clock.now(), lifetimes, rotate=algs, forget=forget)
    return tuple(KeyId(event.kid) for event in rotated)


async def _carry_out(
    store: Store,
    seals: Seals,
    now: datetime,
    lifetimes: Lifetimes,
    *,
    rotate: Container[str] = (),
    forget: Container[str] = (),
) -> tuple[KeysRotated, ...]:
    for _ in range(TRIES):
        before = await store.signing_keys.list()
        times = _times(lifetimes, (await store.registry.snapshot()).apis.values())
        plan = key_schedule.plan(before, now, times, algs=SIGNING_ALGORITHMS, rotate=rotate, forget=forget)
        if plan is None:
            return ()
        # An RSA key takes a tenth of a second and more to find: not on the event loop.
        made = await asyncio.gather(*(asyncio.to_thread(_make, new, seals, now) for new in plan.create))
        after = (*plan.keep, *made)
        events = _rotated(before, after, now)
        if isinstance(await store.signing_keys.put(after, expected=before, events=events), Done):
            return events
    raise StoreUnavailable("the signing keys keep changing")


def _make(new: NewKey, seals: Seals, now: datetime) -> SigningKeyRecord:
    return new_record(new.alg, seals, published_at=now, activates_at=new.activates_at)


def _rotated(
    before: Iterable[SigningKeyRecord], after: Iterable[SigningKeyRecord], now: datetime
) -> tuple[KeysRotated, ...]:
    """One for each algorithm whose active keys are others now."""

    def active(keys: Iterable[SigningKeyRecord], alg: str) -> set[KeyId]:
        return {key.kid for key in keys if key.alg == alg and key_schedule.may_sign(key, now)}

    changed = [alg for alg in SIGNING_ALGORITHMS if active(before, alg) != active(after, alg)]
    current = (key_schedule.signing(after, alg, now) for alg in changed)
    return tuple(KeysRotated(at=now, alg=key.alg, kid=key.kid) for key in current if key is not None)


def _times(lifetimes: Lifetimes, apis: Iterable[Api]) -> KeyTimes:
    ours = timedelta(seconds=max(lifetimes.id_token_s, lifetimes.userinfo_access_token_s))
    longest = max(LEAST_AFTERLIFE, ours, *(api.access_token_lifetime for api in apis))
    return KeyTimes(
        signs_for=timedelta(seconds=lifetimes.signing_key_s),
        published_ahead=timedelta(seconds=lifetimes.signing_key_published_ahead_s),
        verifies_for=longest + LEEWAY,
    )
