"""Whether one server that never fails could have answered so: the invariants over a `History`.

Each key is looked at by itself: at most one success of what is single-use (I1), one living refresh token per family
(I2), nothing that was acknowledged as revoked is used afterwards (I3), nothing acknowledged is lost (I4), and after an
error the same request may come again (I5). What no rule names is found by the search: there has to be an order of
the requests that a server could have answered so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any, Final, Protocol

import msgspec

from tests.faults.history import SECOND_NS, History, Operation

_MOST_STATES: Final = 500_000


class TooManyStates(Exception):
    """The search gave up. Never read as "no violation": make the histories of single keys shorter."""


class Model(Protocol):
    """What one key may do. A state is hashable."""

    start: Any

    def after(self, state: Any, operation: Operation) -> Iterable[Any]:
        """The states in which a server may be after giving this answer; none if it cannot have given it.

        For an unknown outcome: only the states in which it did happen.
        """
        ...

    def named(self, operations: list[Operation]) -> Iterator[str]:
        """Violations that have a name of their own."""
        ...


class Once:
    """Used once, by whoever comes first: an assertion's `jti`, a one-time link, a device code (I1)."""

    start = False

    def after(self, state: bool, operation: Operation) -> Iterable[bool]:
        """Who is refused came after somebody who was not, or whose answer was lost: otherwise it is lost (I4)."""
        if operation.outcome == "refused":
            return (True,) if state else ()
        return () if state else (True,)

    def named(self, operations: list[Operation]) -> Iterator[str]:
        won = [operation for operation in operations if operation.outcome == "ok"]
        if len(won) > 1:
            yield f"I1: used {len(won)} times"
        if not won and operations and all(operation.outcome == "refused" for operation in operations):
            yield "I4: lost, nobody could use it"


class Standing(msgspec.Struct, frozen=True):
    """Where a grant is. The instants bound the last rotation: not before, not after."""

    is_redeemed: bool = False
    is_revoked: bool = False
    generation: int = 0
    overlaps: int = 0
    rotated_from_ns: float = 0
    rotated_until_ns: float = 0


class GrantLife:
    """A code, its refresh family and its access tokens.

    Actions: `redeem`; `rotate` with the generation `sent` and the one that it `got`; `use` of an access token;
    `revoke`. `overlap_s` is the app's, with whatever clocks may differ by.
    """

    start = Standing()

    def __init__(self, *, overlap_s: float = 10.0, most_overlaps: int = 20) -> None:
        self._overlap_ns = overlap_s * SECOND_NS
        self._most_overlaps = most_overlaps

    def after(self, state: Standing, operation: Operation) -> Iterable[Standing]:
        """See `Model`."""
        match operation.action:
            case "redeem":
                return self._redeem(state, operation)
            case "rotate":
                return self._rotate(state, operation)
            case "use":
                is_good = state.is_redeemed and not state.is_revoked
                return (state,) if operation.outcome == ("ok" if is_good else "refused") else ()
            case "revoke":
                return (revoked(state),) if operation.outcome != "refused" else (state,)
        raise ValueError(operation.action)

    def _redeem(self, state: Standing, operation: Operation) -> Iterable[Standing]:
        is_good = not state.is_redeemed and not state.is_revoked
        if operation.outcome != "refused" and is_good:
            yield msgspec.structs.replace(state, is_redeemed=True)
        elif operation.outcome != "ok" and not is_good:
            # A second redemption ends what the first one got.
            yield revoked(state)

    def _rotate(self, state: Standing, operation: Operation) -> Iterable[Standing]:
        is_ok, is_refused = operation.outcome == "ok", operation.outcome == "refused"
        sent = operation.sent
        if state.is_revoked or not state.is_redeemed:
            if not is_ok:
                yield state
        elif sent == state.generation:
            if not is_refused and (not is_ok or operation.got == sent + 1):
                yield self._rotated(state, operation)
        elif sent == state.generation - 1:
            yield from self._overlap(state, operation)
        elif sent < state.generation and not is_ok:
            yield revoked(state)
        # Ahead of the server: it has lost a rotation that it had acknowledged.

    def _rotated(self, state: Standing, operation: Operation) -> Standing:
        return msgspec.structs.replace(
            state,
            generation=state.generation + 1,
            overlaps=0,
            rotated_from_ns=operation.start_ns,
            rotated_until_ns=operation.over_ns,
        )

    def _overlap(self, state: Standing, operation: Operation) -> Iterable[Standing]:
        """The token before the living one: soon it is answered once more, later it convicts (I5)."""
        may_be_soon = operation.start_ns < state.rotated_until_ns + self._overlap_ns
        may_be_late = operation.over_ns > state.rotated_from_ns + self._overlap_ns
        is_spent = state.overlaps >= self._most_overlaps
        is_answer = operation.outcome == "unknown" or operation.got == state.generation
        if operation.outcome != "refused" and is_answer and may_be_soon and not is_spent:
            yield msgspec.structs.replace(state, overlaps=state.overlaps + 1)
        if operation.outcome != "ok" and may_be_late:
            yield revoked(state)
        if operation.outcome == "refused" and may_be_soon and is_spent:
            yield state

    def named(self, operations: list[Operation]) -> Iterator[str]:
        """See `Model`."""
        won = [operation for operation in operations if operation.outcome == "ok"]
        redeemed = sum(operation.action == "redeem" for operation in won)
        if redeemed > 1:
            yield f"I1: the code was redeemed {redeemed} times"
        successors: dict[int, set[int]] = defaultdict(set)
        for operation in won:
            if operation.action == "rotate":
                successors[operation.sent].add(operation.got)
        for sent, got in successors.items():
            if len(got) > 1:
                yield f"I2: generation {sent} has the successors {sorted(got)}"
        ends = [operation.over_ns for operation in won if operation.action == "revoke"]
        for operation in won if ends else ():
            if operation.action != "revoke" and operation.start_ns > min(ends):
                yield f"I3: after the revocation was acknowledged: {operation}"


def revoked(state: Standing) -> Standing:
    """The same grant, ended."""
    return msgspec.structs.replace(state, is_revoked=True)


class Record:
    """A value that is written and read: a client, a person, a consent, a key (I4). None: there is none.

    Actions: `write` with what was `sent`; `read` with what was `got`.
    """

    start = None

    def after(self, state: Any, operation: Operation) -> Iterable[Any]:
        """See `Model`."""
        if operation.action == "write":
            return (state,) if operation.outcome == "refused" else (operation.sent,)
        return (state,) if operation.outcome != "ok" or operation.got == state else ()

    def named(self, operations: list[Operation]) -> Iterator[str]:
        """A read that finds nothing although a write before it was acknowledged, and nobody could have ended it."""
        written = [operation for operation in operations if operation.action == "write"]
        if any(operation.sent is None for operation in written):
            return
        kept = min((operation.over_ns for operation in written if operation.outcome == "ok"), default=inf)
        for operation in operations:
            is_gone = operation.action == "read" and operation.outcome == "ok" and operation.got is None
            if is_gone and operation.start_ns > kept:
                yield f"I4: an acknowledged write is lost: {operation}"


MODELS: Final[dict[str, Model]] = {"once": Once(), "grant": GrantLife(), "record": Record()}


def violations(history: History, models: dict[str, Model] = MODELS) -> list[str]:
    """What no server that never fails could have answered, one text per key with the operations; empty: all is well."""
    found = []
    for (kind, key), operations in history.by_key().items():
        model = models[kind]
        reasons = list(model.named(operations))
        if not reasons and not is_possible(model, operations):
            reasons = ["no order of these operations explains the answers"]
        if reasons:
            told = "\n  ".join(str(operation) for operation in operations)
            found.append(f"{kind} {key}: {'; '.join(reasons)}\n  {told}")
    return found


def is_possible(model: Model, operations: list[Operation]) -> bool:
    """Linearizability of one key: depth first over (what has happened, state), each looked at once.

    Of operations that overlap in time any may be first; one that was over before another began happened before it.
    Unknown ones may happen at any time after they began, or never.
    """
    must = sum(1 << place for place, operation in enumerate(operations) if operation.outcome != "unknown")
    stack: list[tuple[int, Any]] = [(0, model.start)]
    seen = set(stack)
    while stack:
        done, state = stack.pop()
        if done & must == must:
            return True
        for place, states in _next(model, state, operations, done):
            for reached in ((done | 1 << place, after) for after in states):
                if reached not in seen:
                    seen.add(reached)
                    stack.append(reached)
        if len(seen) > _MOST_STATES:
            raise TooManyStates(f"{len(operations)} operations on {operations[0].key}")
    return False


def _next(
    model: Model, state: Any, operations: list[Operation], done: int
) -> Iterable[tuple[int, tuple[Any, ...]]]:
    """Which may be the next to happen, and what is then: those that began before any other, not yet done, was over.

    Of equal ones with equal effect only the first to be over: if another order explains the answers, so does this one.
    """
    first_over = inf
    chosen: dict[Any, tuple[float, int, tuple[Any, ...]]] = {}
    for place, operation in enumerate(operations):
        if operation.start_ns > first_over:
            break
        if done >> place & 1:
            continue
        over = operation.over_ns
        first_over = min(first_over, over)
        states = tuple(model.after(state, operation))
        effect = (operation.action, operation.outcome, operation.sent, operation.got, states)
        if states and (effect not in chosen or over < chosen[effect][0]):
            chosen[effect] = (over, place, states)
    return [(place, states) for _, place, states in chosen.values()]
