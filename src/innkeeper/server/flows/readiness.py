"""Whether people should be sent to this node: each reason against it stands until its giver takes it back."""

from typing import Final

DRAINING: Final = "draining"


class Readiness:
    """One per process. What `/readyz` says beyond the store's own answer; requests are served all the same."""

    def __init__(self) -> None:
        self._reasons: dict[str, None] = {}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, oldest first; empty for a node that is ready as far as we know here."""
        return tuple(self._reasons)

    def refuse(self, reason: str) -> None:
        """A word or two; `/readyz` shows it to everybody."""
        self._reasons[reason] = None

    def allow(self, reason: str) -> None:
        """Takes this reason back."""
        self._reasons.pop(reason, None)
