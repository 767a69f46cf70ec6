"""Assertions are used once, whoever asks, on whatever node."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed
from tests.contract.store import laws
from tests.contract.store.builders import HOUR, NOW, AnyStore, World, an_attempt
from tests.contract.store.rivals import Rivals
from tests.contract.store.test_races import one


async def test_an_assertion_is_claimed_once(world: World) -> None:
    await laws.an_assertion_is_claimed_once(world)


async def test_a_claim_whose_answer_was_lost_does_not_convict_itself(world: World) -> None:
    await laws.a_claim_that_won_is_told_so_again(world)


async def test_of_twenty_first_uses_one_wins(rivals: Rivals) -> None:
    async def claim(store: AnyStore, number: int) -> Any:
        return await store.assertion_ids.claim(b"d" * 32, expires_at=NOW, attempt=an_attempt())

    assert await rivals.tally(claim) == one("Claimed", "AlreadyClaimed")


async def test_one_attempt_twenty_times_is_one_use(rivals: Rivals) -> None:
    attempt = an_attempt()

    async def claim(store: AnyStore, number: int) -> Any:
        return await store.assertion_ids.claim(b"d" * 32, expires_at=NOW, attempt=attempt)

    assert await rivals.tally(claim) == {"Claimed": 20}


async def test_a_claim_is_one_transition_and_leaves_no_audit_row(store: AnyStore) -> None:
    before = store.counters.transitions
    await store.assertion_ids.claim(b"d" * 32, expires_at=NOW, attempt=an_attempt())
    assert store.counters.transitions == before + 1
    assert await store.audit_rows() == ()


async def test_what_has_ended_is_purged_with_the_usual_margin(store: AnyStore) -> None:
    ids = store.assertion_ids
    for number in range(30):
        digest, expires_at = bytes([number]) * 32, NOW + number * timedelta(minutes=1)
        assert await ids.claim(digest, expires_at=expires_at, attempt=an_attempt()) == Claimed()
    assert await store.purge(now=NOW + HOUR, limit=1000) == 0
    assert await store.purge(now=NOW + HOUR + timedelta(minutes=10), limit=4) == 4
    assert await store.purge(now=NOW + HOUR + timedelta(minutes=10), limit=1000) == 6
    assert await ids.claim(bytes([9]) * 32, expires_at=NOW, attempt=an_attempt()) == Claimed()
    assert await ids.claim(bytes([10]) * 32, expires_at=NOW, attempt=an_attempt()) == AlreadyClaimed()
