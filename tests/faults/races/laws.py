"""What every store has to show, as functions of an arena."""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.races import sabotage
from tests.faults.races.harness import Arena, an_arena
from tests.faults.races.kinds import BY_NAME, KINDS
from tests.faults.races.world import store_of

NAMES: Final = tuple(kind.name for kind in KINDS)
WIDTHS: Final = (2, 8, 32)
# Where the token before the living one is answered once more, a retry that nobody recognises gets the same answer.
ATTEMPTS: Final = tuple(name for name in NAMES if name != "refresh-overlap")
_SOON: Final = 10


async def one_of_the_rivals_wins(arena: Arena, name: str, width: int, trials: int) -> None:
    """No double spend, nothing lost, and one audit row for each success."""
    kind = BY_NAME[name]
    before = await arena.audited(kind)
    report = await arena.race(kind, trials, width)
    assert report.wrong == []
    assert report.trials == trials
    # A machine that is very busy may make the store give up now and then; where it mostly does, nothing was raced.
    assert report.unknown <= trials // 10, report.ends
    if kind.audited:
        assert 0 <= trials - (await arena.audited(kind) - before) <= report.unknown


async def a_lost_answer_convicts_nobody(arena: Arena, name: str, trials: int) -> None:
    """COMMIT happened, its answer was lost, and the store tries again: beside a rival, and alone."""
    for width in (1, 2):
        report = await arena.race(BY_NAME[name], trials, width, loses_answers=True)
        assert report.wrong == []


async def a_missing_condition_is_found(address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In fewer than ten trials."""
    sabotage.without_the_condition(store_of(address), name, monkeypatch)
    async with an_arena(address) as arena:
        report = await arena.race(BY_NAME[name], _SOON, 2, until_wrong=True)
    assert report.first_wrong is not None and report.first_wrong < _SOON, report.ends


async def a_missing_attempt_is_found(address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In fewer than ten trials: a retry that takes its own first try for somebody else's."""
    sabotage.without_the_attempt(monkeypatch)
    async with an_arena(address) as arena:
        report = await arena.race(BY_NAME[name], _SOON, 1, loses_answers=True, until_wrong=True)
    assert report.first_wrong is not None and report.first_wrong < _SOON, report.ends
