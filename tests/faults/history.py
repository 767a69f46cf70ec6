"""What was asked of the server and what it answered: when each request began and ended, on which node, with what.

An answer that says nothing about what happened (a time-out, a cut connection, 503) is *unknown*: it may have happened,
at any time after the request began, or not; never twice. `tests/faults/judging.py` says whether a server that never
fails could have answered so. Times are `time.monotonic_ns()`, which all processes of one machine share.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

Outcome = Literal["ok", "refused", "unknown", "unsent"]
SECOND_NS: Final = 1_000_000_000


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `end_ns` is None when no answer ever came."""

    kind: str
    """Which model judges it: `once`, `grant`, `record`."""
    key: str
    """What it was about. Operations of different keys do not touch each other."""
    action: str
    node: str = ""
    start_ns: int
    end_ns: int | None = None
    outcome: Outcome = "unknown"
    sent: Any = None
    """The generation that was presented, the value that was written."""
    got: Any = None
    """The generation that was answered, the value that was read."""

    @property
    def over_ns(self) -> float:
        """From when on it has surely happened, or surely not. What is unknown may still happen."""
        return inf if self.outcome == "unknown" or self.end_ns is None else self.end_ns

    def __str__(self) -> str:
        begun = self.start_ns / SECOND_NS
        ended = "?" if self.end_ns is None else f"{self.end_ns / SECOND_NS:.6f}"
        return (
            f"{begun:.6f}..{ended} {self.node or '-'} {self.action}({self.sent}) -> {self.outcome} {self.got}"
        )


class Running:
    """A request under way. Never answered, it stays in the history as unknown."""

    def __init__(self, history: History, operation: Operation, place: int) -> None:
        self._history = history
        self._operation = operation
        self._place = place

    def ok(self, got: Any = None) -> None:
        """It succeeded, with this."""
        self._end("ok", got)

    def refused(self) -> None:
        """A definite no: `invalid_grant`, `active: false`, 404."""
        self._end("refused", None)

    def unknown(self) -> None:
        """An answer that does not say what happened: 503, a time-out, a reset connection."""
        self._end("unknown", None)

    def unsent(self) -> None:
        """Nobody took the connection, so nothing happened: it is no part of the history."""
        self._end("unsent", None)

    def _end(self, outcome: Outcome, got: Any) -> None:
        ended = msgspec.structs.replace(
            self._operation, end_ns=self._history.clock(), outcome=outcome, got=got
        )
        self._history.operations[self._place] = ended


class History:
    """Requests and answers of any number of tasks in one loop; histories of other processes are `load`ed."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.clock = clock
        self.operations: list[Operation] = []

    def begin(self, kind: str, key: str, action: str, *, node: str = "", sent: Any = None) -> Running:
        """Call it just before the request leaves, and `ok`, `refused` or `unknown` of what it answers."""
        operation = Operation(kind=kind, key=key, action=action, node=node, sent=sent, start_ns=self.clock())
        self.operations.append(operation)
        return Running(self, operation, len(self.operations) - 1)

    def save(self, path: Path) -> None:
        """One line per operation."""
        encoder = msgspec.json.Encoder()
        path.write_bytes(b"".join(encoder.encode(operation) + b"\n" for operation in self.operations))

    def load(self, path: Path) -> None:
        """Adds what another process has saved."""
        decoder = msgspec.json.Decoder(Operation)
        self.operations.extend(decoder.decode(line) for line in path.read_bytes().splitlines())

    def by_key(self) -> dict[tuple[str, str], list[Operation]]:
        """The operations of each key, in the order in which they began."""
        found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        for operation in sorted(self.operations, key=lambda operation: operation.start_ns):
            if operation.outcome != "unsent":
                found[operation.kind, operation.key].append(operation)
        return found
