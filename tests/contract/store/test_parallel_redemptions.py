"""Two parallel redemptions have one winner: ten thousand trials, and wider ones."""

from __future__ import annotations

from tests.contract.store import laws
from tests.contract.store.builders import World


async def test_ten_thousand_pairs_of_redemptions_have_one_winner_each(world: World) -> None:
    await laws.a_code_has_one_winner(world, codes=10_000, width=2)


async def test_eight_redemptions_at_once_have_one_winner(world: World) -> None:
    await laws.a_code_has_one_winner(world, codes=400, width=8)


async def test_thirty_two_redemptions_at_once_have_one_winner(world: World) -> None:
    await laws.a_code_has_one_winner(world, codes=60, width=32)
