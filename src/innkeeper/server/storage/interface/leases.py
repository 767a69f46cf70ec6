"""Leases: what only one node among many should do, it does while its lease lasts."""

from datetime import datetime, timedelta
from typing import Protocol

from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import Held, HeldElsewhere


class Leases(Protocol):
    """A lease saves work and guards nothing: a node that is paused for longer than its lease goes on for a moment.

    `holder` is drawn once per process and stands for the attempt: to take what one holds is to renew it.
    """

    async def take(
        self, name: str, *, holder: Attempt, now: datetime, lasts: timedelta
    ) -> Held | HeldElsewhere:
        """It is this holder's until `now + lasts` if it was free, over or this holder's already."""
        ...

    async def release(self, name: str, *, holder: Attempt) -> None:
        """Free at once, if it is this holder's; otherwise nothing happens."""
        ...
