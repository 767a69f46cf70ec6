"""Races of flows in two processes on one PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.conftest import Amount
from tests.faults.races import laws
from tests.faults.races.conftest import Trials, a_copy
from tests.faults.races.harness import Arena, an_arena
from tests.faults.races.world import BATCHING

pytestmark = pytest.mark.anyio
STORE: Final = "postgresql"
# By width: at full length, and in the ordinary run.
TRIALS: Final = {2: (10_000, 30), 8: (2_000, 10), 32: (400, 4)}
IN_BATCHES: Final = {2: (2_000, 30), 8: (400, 10), 32: (80, 4)}


@pytest.mark.parametrize("width", laws.WIDTHS)
@pytest.mark.parametrize("kind", laws.NAMES)
async def test_one_of_the_rivals_wins(arena: Arena, kind: str, width: int, trials_of: Trials) -> None:
    await laws.one_of_the_rivals_wins(arena, kind, width, trials_of(TRIALS, width))


@pytest.mark.parametrize("kind", laws.NAMES)
async def test_a_lost_answer_convicts_nobody(arena: Arena, kind: str, amount: Amount) -> None:
    await laws.a_lost_answer_convicts_nobody(arena, kind, amount(full=1_000, quick=3))


@pytest.mark.parametrize("kind", laws.NAMES)
async def test_these_races_find_a_store_without_the_condition(
    address: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await laws.a_missing_condition_is_found(address, kind, monkeypatch)


@pytest.mark.parametrize("kind", laws.ATTEMPTS)
async def test_these_races_find_a_retry_that_convicts_itself(
    address: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await laws.a_missing_attempt_is_found(address, kind, monkeypatch)


@pytest.fixture(scope="module")
async def batching_arena(prepared: str, request: pytest.FixtureRequest) -> AsyncIterator[Arena]:
    """Two nodes with `database.batching`: many rotations are one statement."""
    async with an_arena(BATCHING + await a_copy(prepared, request), others=1) as arena:
        yield arena


@pytest.mark.parametrize("width", laws.WIDTHS)
@pytest.mark.parametrize("kind", ["refresh", "refresh-overlap"])
async def test_one_of_the_rivals_wins_in_batches(
    batching_arena: Arena, kind: str, width: int, trials_of: Trials
) -> None:
    await laws.one_of_the_rivals_wins(batching_arena, kind, width, trials_of(IN_BATCHES, width))
