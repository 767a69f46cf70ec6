"""Races of flows in two processes on one SQLite file: the server and a writer that comes as commands do."""

from __future__ import annotations

from typing import Final

import pytest

from tests.conftest import Amount
from tests.faults.races import laws
from tests.faults.races.conftest import Trials
from tests.faults.races.harness import Arena

pytestmark = pytest.mark.anyio
STORE: Final = "sqlite"
# By width: at full length, and in the ordinary run.
TRIALS: Final = {2: (10_000, 100), 8: (10_000, 40), 32: (2_500, 10)}


@pytest.mark.parametrize("width", laws.WIDTHS)
@pytest.mark.parametrize("kind", laws.NAMES)
async def test_one_of_the_rivals_wins(arena: Arena, kind: str, width: int, trials_of: Trials) -> None:
    await laws.one_of_the_rivals_wins(arena, kind, width, trials_of(TRIALS, width))


@pytest.mark.parametrize("kind", laws.NAMES)
async def test_a_lost_answer_convicts_nobody(arena: Arena, kind: str, amount: Amount) -> None:
    await laws.a_lost_answer_convicts_nobody(arena, kind, amount(full=1_000, quick=10))


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
