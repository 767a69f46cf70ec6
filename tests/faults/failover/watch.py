"""How long a failover is felt: what each node answered, from the instant in which the standby was promoted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from tests.faults.load import DOCUMENTS
from tests.wire import Answer, Unanswered, Wire


class Note(NamedTuple):
    """One request that needs the database. Status 0: no answer."""

    began_ns: int
    ended_ns: int
    status: int


class Watch(Wire):
    """A wire that remembers what came over it."""

    def __init__(self, port: int, *, host: str) -> None:
        super().__init__(port, host=host)
        self.notes: list[Note] = []
        self.lost: list[str] = []
        """What was sent and never answered."""

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """As `Wire.ask`."""
        began_ns, status = time.monotonic_ns(), 0
        try:
            answer = await super().ask(method, target, body, headers)
            status = answer.status
            return answer
        except Unanswered as error:
            self.lost.append(str(error))
            raise
        finally:
            if target not in DOCUMENTS:
                self.notes.append(Note(began_ns, time.monotonic_ns(), status))

    def success_after_s(self, since_ns: int) -> float | None:
        """From this instant to the end of the first success that began after it; None if there is none yet."""
        ends = [note.ended_ns for note in self.notes if note.began_ns >= since_ns and 0 < note.status < 400]
        return (min(ends) - since_ns) / 1e9 if ends else None

    def failures_until_s(self, since_ns: int, until_ns: int) -> float:
        """From the first instant to the beginning of the last request that failed before the second one."""
        begun = [
            note.began_ns for note in self.notes
            if since_ns <= note.began_ns < until_ns and (note.status == 0 or note.status >= 500)
        ]  # fmt: skip
        return (max(begun) - since_ns) / 1e9 if begun else 0.0
