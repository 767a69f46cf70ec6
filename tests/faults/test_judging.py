"""The judge of the fault suites sees what it is there to see, and accepts what a good server answers."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults import judging
from tests.faults.history import SECOND_NS as SECOND
from tests.faults.history import History, Operation, Outcome
from tests.faults.judging import GrantLife, violations

ANSWERS: tuple[Outcome, ...] = ("ok", "refused")


def a_history(*lines: tuple[Any, ...], kind: str = "grant") -> History:
    """Lines of (start, end, action, outcome, sent, got); in seconds, and the end may be None."""
    found = History()
    for start, end, action, outcome, *values in lines:
        sent, got = (*values, None, None)[:2]
        found.operations.append(
            Operation(
                kind=kind, key="k", action=action, outcome=outcome, sent=sent, got=got, start_ns=int(start * SECOND),
                end_ns=None if end is None else int(end * SECOND),
            )
        )  # fmt: skip
    return found


REDEEMED = (0, 1, "redeem", "ok")
GOOD: dict[str, tuple[tuple[Any, ...], ...]] = {
    "a code, two rotations, a revocation": (
        REDEEMED,
        (2, 3, "rotate", "ok", 0, 1),
        (4, 5, "rotate", "ok", 1, 2),
        (6, 7, "use", "ok"),
        (8, 9, "revoke", "ok"),
        (10, 11, "use", "refused"),
        (10, 11, "rotate", "refused", 2),
    ),
    "a lost answer, and the retry inside the overlap": (
        REDEEMED,
        (2, 3, "rotate", "unknown", 0),
        (4, 5, "rotate", "ok", 0, 1),
    ),
    "a request that never arrived": (REDEEMED, (2, 3, "rotate", "unknown", 0), (99, 100, "rotate", "ok", 0, 1)),
    "an unknown redemption, its retry refused, and with it the grant ended": (
        (0, 1, "redeem", "unknown"),
        (2, 3, "redeem", "refused"),
        (4, 5, "use", "refused"),
    ),
    "a use beside a revocation, either way": (
        REDEEMED,
        (2, 5, "revoke", "ok"),
        (3, 4, "use", "ok"),
        (3, 4, "use", "refused"),
    ),
    "a revocation without an answer that took effect late": (
        REDEEMED,
        (2, None, "revoke", "unknown"),
        (3, 4, "use", "ok"),
        (5, 6, "use", "refused"),
    ),
    "a token that is too old ends the grant": (
        REDEEMED,
        (2, 3, "rotate", "ok", 0, 1),
        (40, 41, "rotate", "refused", 0),
        (42, 43, "rotate", "refused", 1),
    ),
    "two tabs with one token": (REDEEMED, (2, 5, "rotate", "ok", 0, 1), (2, 5, "rotate", "ok", 0, 1)),
}  # fmt: skip

BAD: dict[str, tuple[str, tuple[tuple[Any, ...], ...]]] = {
    "two redemptions": ("I1", (REDEEMED, (0, 1, "redeem", "ok"))),
    "two successors": ("I2", (REDEEMED, (2, 3, "rotate", "ok", 0, 1), (2, 3, "rotate", "ok", 0, 2))),
    "a use after the revocation": ("I3", (REDEEMED, (2, 3, "revoke", "ok"), (4, 5, "use", "ok"))),
    "a rotation after the revocation": (
        "I3",
        (REDEEMED, (2, 3, "revoke", "ok"), (4, 5, "rotate", "ok", 0, 1)),
    ),
    "a revocation that was undone": (
        "no order",
        (REDEEMED, (2, None, "revoke", "unknown"), (3, 4, "use", "refused"), (5, 6, "use", "ok")),
    ),
    "a rotation that was undone": (
        "no order",
        (REDEEMED, (2, 3, "rotate", "ok", 0, 1), (4, 5, "rotate", "refused", 1)),
    ),
    "the same generation twice": (
        "no order",
        (REDEEMED, (2, 3, "rotate", "ok", 0, 1), (4, 5, "rotate", "ok", 1, 2), (6, 7, "rotate", "ok", 0, 1)),
    ),
    "a good token that is refused": ("no order", (REDEEMED, (2, 3, "rotate", "refused", 0))),
    "a retry that convicts itself": (
        "no order",
        (REDEEMED, (2, 3, "rotate", "unknown", 0), (4, 5, "rotate", "refused", 0)),
    ),
    "a code that is lost": ("no order", ((0, 1, "redeem", "refused"),)),
    "a replay that ends nothing": ("no order", (REDEEMED, (2, 3, "redeem", "refused"), (4, 5, "use", "ok"))),
    "an unknown rotation that happens twice": (
        "no order",
        (REDEEMED, (2, 3, "rotate", "unknown", 0), (4, 5, "rotate", "ok", 0, 2)),
    ),
    "an overlap without an end": (
        "no order",
        (REDEEMED, (2, 3, "rotate", "ok", 0, 1), (40, 41, "rotate", "ok", 0, 1)),
    ),
}


@pytest.mark.parametrize("lines", GOOD.values(), ids=GOOD.keys())
def test_what_a_good_server_answers_is_accepted(lines: tuple[tuple[Any, ...], ...]) -> None:
    assert violations(a_history(*lines)) == []


@pytest.mark.parametrize(("name", "lines"), BAD.values(), ids=BAD.keys())
def test_what_no_good_server_answers_is_seen(name: str, lines: tuple[tuple[Any, ...], ...]) -> None:
    [told] = violations(a_history(*lines))
    assert told.startswith(f"grant k: {name}"), told


def test_what_is_single_use_is_used_once_and_not_lost() -> None:
    def judged(*outcomes: str) -> list[str]:
        return violations(a_history(*((0, 1, "use", outcome) for outcome in outcomes), kind="once"))

    assert judged("ok", "refused", "refused") == []
    assert judged("unknown", "refused") == judged("unknown", "ok", "refused") == judged("unknown") == []
    assert "I1: used 2 times" in judged("ok", "ok")[0]
    assert "I4: lost" in judged("refused", "refused")[0]


def test_who_is_refused_before_anybody_asked_was_refused_for_nothing() -> None:
    assert violations(a_history((0, 1, "use", "refused"), (2, 3, "use", "ok"), kind="once"))


def test_an_acknowledged_write_is_read_afterwards() -> None:
    def judged(*lines: tuple[Any, ...]) -> list[str]:
        return violations(a_history(*lines, kind="record"))

    written = (0, 1, "write", "ok", "one")
    assert judged(written, (2, 3, "read", "ok", None, "one")) == []
    assert judged((0, 1, "write", "unknown", "one"), (2, 3, "read", "ok", None, None)) == []
    assert judged(written, (0.5, 1, "read", "ok", None, None)) == []
    assert "I4" in judged(written, (2, 3, "read", "ok", None, None))[0]
    assert judged(written, (2, 3, "write", "ok", "two"), (4, 5, "read", "ok", None, "one"))
    assert judged(written, (2, 3, "write", "ok", None), (4, 5, "read", "ok", None, None)) == []


def test_twenty_parallel_uses_of_one_token_are_answered_and_the_next_is_refused_softly() -> None:
    lines: list[tuple[Any, ...]] = [REDEEMED, *((2, 5, "rotate", "ok", 0, 1) for _ in range(21))]
    spent = (6, 7, "rotate", "refused", 0)
    assert violations(a_history(*lines, spent, (8, 9, "rotate", "ok", 1, 2))) == []
    assert violations(a_history(*lines, (6, 7, "rotate", "ok", 0, 1)))


def test_any_schedule_of_a_good_server_is_accepted() -> None:
    """Requests take effect at one instant somewhere between their two ends; answers get lost."""
    dice = random.Random(7)
    for _ in range(300):
        model, state, instant = GrantLife(), GrantLife.start, 0.0
        recorded = History()
        for action in (
            "redeem",
            *dice.choices(("rotate", "rotate", "use", "revoke", "redeem"), (6, 6, 4, 1, 1), k=9),
        ):
            instant += dice.random()
            sent = dice.choice((state.generation, max(0, state.generation - 1)))
            begun, over = (
                int((instant - 2 * dice.random()) * SECOND),
                int((instant + 2 * dice.random()) * SECOND),
            )
            for outcome, got in itertools.product(ANSWERS, (None, sent, sent + 1)):
                operation = Operation(
                    kind="grant", key="k", action=action, sent=sent, start_ns=begun, end_ns=over,
                    outcome=outcome, got=got,
                )  # fmt: skip
                if after := list(model.after(state, operation)):
                    state = after[0]
                    recorded.operations.append(operation)
                    break
            if dice.random() < 0.2:
                lost = recorded.operations.pop()
                recorded.begin("grant", "k", action, sent=lost.sent)
                recorded.operations[-1] = msgspec.structs.replace(lost, outcome="unknown", end_ns=None)
        assert violations(recorded) == []


def test_an_unanswered_request_stays_unknown_and_histories_of_processes_are_read_together(
    tmp_path: Path,
) -> None:
    first, second = History(), History()
    first.begin("once", "k", "use", node="a", sent="x").ok(3)
    first.begin("once", "k", "use", node="a")
    second.begin("once", "k", "use", node="b").refused()
    second.begin("once", "other", "use", node="b").unknown()
    second.save(tmp_path / "history")
    first.load(tmp_path / "history")
    assert [operation.outcome for operation in first.operations] == ["ok", "unknown", "refused", "unknown"]
    assert first.operations[0].got == 3 and first.operations[1].end_ns is None
    assert first.operations[2:] == second.operations
    assert violations(first) == []


def test_a_search_without_an_end_is_no_acquittal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_MOST_STATES", 10)
    lines = [
        REDEEMED,
        *((2, 50, "rotate", "unknown", number) for number in range(9)),
        (60, 61, "use", "refused"),
    ]
    with pytest.raises(judging.TooManyStates):
        violations(a_history(*lines))
