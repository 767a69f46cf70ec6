"""When this node last had trouble with the database: lost connections, refusals, rows that were held too long."""

from time import monotonic
from typing import Final

RECENT_S: Final = 5.0
"""Longer than any request waits, and than a node needs to settle what it left in doubt."""


class Troubles:
    """One per store. What one node sees of a database that was away, the others have to do with as well."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def note(self) -> None:
        """There it is again."""
        self._last_s = monotonic()

    @property
    def are_recent(self) -> bool:
        """Somebody may have been told 503 for what has happened all the same."""
        return self._last_s is not None and monotonic() - self._last_s < RECENT_S
