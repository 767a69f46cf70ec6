"""Which of many nodes runs the jobs that one should run: the one that holds the lease."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Final

from innkeeper.server.flows.services import Services
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import Held, HeldElsewhere, StoreUnavailable

LEASE: Final = "jobs"
LASTS: Final = timedelta(seconds=60)
"""So long after a node was killed another one takes over."""
RENEWED_EVERY_S: Final = 20.0
_RELEASE_S: Final = 2.0
_log = logging.getLogger(__name__)


class Lead:
    """The lease as this node knows it. It saves work and guards nothing: each job is right if two nodes run it."""

    def __init__(
        self,
        services: Services,
        *,
        lasts: timedelta = LASTS,
        renewed_every_s: float = RENEWED_EVERY_S,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        self._services = services
        self._lasts = lasts
        self._renewed_every_s = renewed_every_s
        self._monotonic = monotonic
        self._holder = Attempt(services.entropy.random(16))
        self._ends_at_s = 0.0
        self._asking: asyncio.Task[Held | HeldElsewhere] | None = None

    @property
    def is_ours(self) -> bool:
        """Judged by the time that has passed since it was asked for: never longer than the store's row says."""
        return self._monotonic() < self._ends_at_s

    async def keep(self) -> None:
        """Asks for it, and renews it, without end: whatever ended this would end every job of this node.

        While the store is away it runs out by itself.
        """
        failing = False
        while True:
            try:
                await self.renew()
                failing = False
            except Exception as error:
                if not failing:
                    _tell("the lease of the jobs was not had, and will be asked for again", error)
                failing = True
            await asyncio.sleep(self._renewed_every_s)

    async def renew(self) -> None:
        """Raises what the store raises."""
        asked_at_s, was_ours = self._monotonic(), self.is_ours
        # A task of its own: a caller that is cancelled leaves it under way, and `give_up` has to see its end.
        self._asking = asyncio.create_task(self._ask())
        outcome = await asyncio.shield(self._asking)
        is_held = isinstance(outcome, Held)
        self._ends_at_s = asked_at_s + self._lasts.total_seconds() if is_held else 0.0
        if is_held and not was_ours:
            _log.info("this node runs the jobs")

    async def give_up(self) -> None:
        """So that the next node need not wait. A store that does not answer must not hold up the end."""
        asking = self._asking
        if asking is None or (asking.done() and not self.is_ours):
            return
        self._ends_at_s = 0.0
        try:
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_RELEASE_S):
                    # If it landed after the release, it would keep the lease for all its time.
                    await asyncio.gather(asking, return_exceptions=True)
                    await self._services.store.leases.release(LEASE, holder=self._holder)
        except Exception as error:
            _tell("the lease of the jobs was not given back, and runs out", error)

    async def _ask(self) -> Held | HeldElsewhere:
        return await self._services.store.leases.take(
            LEASE, holder=self._holder, now=self._services.clock.now(), lasts=self._lasts
        )


def _tell(what: str, error: Exception) -> None:
    trace = None if isinstance(error, StoreUnavailable) else error
    _log.error("%s: %s", what, error, exc_info=trace)
