"""Rotations of which nobody knows whether they happened, although their apps were told 503: in this node's memory.

Such a rotation may be durable, or become so when a standby is back. Its app comes again with the same token, perhaps
long after the overlap, and would convict itself of theft. So the node that told it 503 says so to the store: before
it judges the family again, and by itself as soon as the store answers.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final, assert_never

from innkeeper.server.model.events import Event, RefreshUntold
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.outcomes import Done, Missing

MOST: Final = 10_000
OUTLIVED_S: Final = 15.0
"""No statement that a node has left alone lives longer, once the database answers."""
_AT_ONCE: Final = 4

Doubt = tuple[HandleKey, Attempt]
Tell = Callable[[Event], None]


class Doubts:
    """One per process. Of too many the oldest is forgotten."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._events: OrderedDict[Doubt, RefreshUntold] = OrderedDict()
        self._of_family: dict[HandleKey, set[Attempt]] = {}
        self._not_found_since_s: dict[Doubt, float] = {}

    def __contains__(self, key: HandleKey) -> bool:
        return key in self._of_family

    def __len__(self) -> int:
        return len(self._events)

    def remember(self, key: HandleKey, attempt: Attempt, event: RefreshUntold) -> None:
        """This attempt ended in doubt; the event is for the audit, should it have happened."""
        self._events[key, attempt] = event
        self._of_family.setdefault(key, set()).add(attempt)
        if len(self._events) > MOST:
            self._forget(next(iter(self._events)))

    async def settle(self, key: HandleKey, store: Store, tell: Tell) -> None:
        """Everything about one family, before it is judged again. Raises StoreUnavailable: then it must not be."""
        for attempt in tuple(self._of_family.get(key, ())):
            await self._settle((key, attempt), store, tell)

    async def settle_all(self, store: Store, tell: Tell) -> None:
        """Whatever can be asked now. Raises StoreUnavailable; what it was about waits behind all others then."""
        due = [doubt for doubt in self._events if self._is_due(doubt)]
        for start in range(0, len(due), _AT_ONCE):
            some = due[start : start + _AT_ONCE]
            ended = await asyncio.gather(
                *(self._settle(doubt, store, tell) for doubt in some), return_exceptions=True
            )
            for error in filter(None, ended):
                for doubt in set(some) & self._events.keys():
                    self._events.move_to_end(doubt)
                raise error

    def _is_due(self, doubt: Doubt) -> bool:
        """One that the store does not know is asked about once more, when it can no longer happen."""
        since_s = self._not_found_since_s.get(doubt)
        return since_s is None or self._clock() - since_s > OUTLIVED_S

    async def _settle(self, doubt: Doubt, store: Store, tell: Tell) -> None:
        event = self._events.get(doubt)
        if event is None:
            return  # somebody else has just done it
        key, attempt = doubt
        outcome = await store.refresh_families.untold(key, attempt=attempt, events=[event])
        match outcome:
            case Done():
                if self._forget(doubt):
                    tell(event)
            case Missing():
                since_s = self._not_found_since_s.setdefault(doubt, self._clock())
                if self._clock() - since_s > OUTLIVED_S:
                    self._forget(doubt)
            case _:
                assert_never(outcome)

    def _forget(self, doubt: Doubt) -> bool:
        """Whether it was still known."""
        key, attempt = doubt
        self._not_found_since_s.pop(doubt, None)
        attempts = self._of_family.get(key, set())
        attempts.discard(attempt)
        if not attempts:
            self._of_family.pop(key, None)
        return self._events.pop(doubt, None) is not None
