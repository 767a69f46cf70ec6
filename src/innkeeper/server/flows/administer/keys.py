"""Signing keys by hand: made at the first start, rotated on request (R-KE2)."""

from collections.abc import Iterable
from datetime import datetime

from innkeeper.jose.jwk import SIGNING_ALGORITHMS
from innkeeper.server.flows import rotate_keys
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.flows.services import Services
from innkeeper.server.model.identifiers import KeyId
from innkeeper.server.model.signing_key import SigningKeyRecord
from innkeeper.server.protocol import key_schedule


async def ensure(services: Services) -> None:
    """Every algorithm has a key that signs and the next one, published ahead."""
    now, lifetimes = services.clock.now(), services.settings.lifetimes
    await rotate_keys.ensure_keys(services.store, services.at_rest, now, lifetimes)


async def rotate(services: Services, alg: str | None, *, emergency: bool = False) -> list[SigningKeyRecord]:
    """The keys that sign from now on: of `alg`, or of every algorithm.

    The old ones verify until their last token has ended; in an emergency they are forgotten at once.
    """
    if alg is not None and alg not in SIGNING_ALGORITHMS:
        raise Refused(f"There are no {alg} keys. There are: {', '.join(SIGNING_ALGORITHMS)}.")
    begun: set[KeyId] = set(
        await rotate_keys.rotate_now(
            services.store,
            services.at_rest,
            services.clock,
            alg=alg,
            lifetimes=services.settings.lifetimes,
            emergency=emergency,
        )
    )
    return [record for record in await services.store.signing_keys.list() if record.kid in begun]


def state_of(key: SigningKeyRecord, keys: Iterable[SigningKeyRecord], now: datetime) -> str:
    """`next`, `signing`, `verifying` or `expired`."""
    if not key_schedule.is_published(key, now):
        return "expired"
    if now < key.activates_at:
        return "next"
    current = key_schedule.signing(keys, key.alg, now)
    return "signing" if current is not None and current.kid == key.kid else "verifying"
