"""A lease has one holder at a time, and nobody waits for a holder that is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from innkeeper.server.storage.outcomes import Held, HeldElsewhere
from tests.contract.store import laws
from tests.contract.store.builders import NOW, AnyStore, World, an_attempt
from tests.contract.store.rivals import Rivals
from tests.contract.store.test_races import one

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


async def test_a_lease_has_one_holder_until_it_is_over(world: World) -> None:
    await laws.a_lease_has_one_holder(world)


async def test_a_holder_renews_what_it_has(store: AnyStore) -> None:
    ours, theirs = an_attempt(), an_attempt()
    for second in range(0, 180, 50):
        now = NOW + second * SECOND
        held = await store.leases.take("jobs", holder=ours, now=now, lasts=MINUTE)
        assert held == Held(until=now + MINUTE)
        other = await store.leases.take("jobs", holder=theirs, now=now + 49 * SECOND, lasts=MINUTE)
        assert other == HeldElsewhere(until=now + MINUTE)


async def test_a_holder_that_comes_late_has_lost_it(store: AnyStore) -> None:
    ours, theirs = an_attempt(), an_attempt()
    await store.leases.take("jobs", holder=ours, now=NOW, lasts=MINUTE)
    await store.leases.take("jobs", holder=theirs, now=NOW + MINUTE, lasts=MINUTE)
    late = await store.leases.take("jobs", holder=ours, now=NOW + MINUTE, lasts=MINUTE)
    assert late == HeldElsewhere(until=NOW + 2 * MINUTE)


async def test_a_lease_that_is_released_is_free_at_once(store: AnyStore) -> None:
    ours, theirs = an_attempt(), an_attempt()
    await store.leases.take("jobs", holder=ours, now=NOW, lasts=MINUTE)
    await store.leases.release("jobs", holder=ours)
    await store.leases.release("jobs", holder=ours)
    taken = await store.leases.take("jobs", holder=theirs, now=NOW, lasts=MINUTE)
    assert taken == Held(until=NOW + MINUTE)


async def test_nobody_releases_what_another_holds(store: AnyStore) -> None:
    ours, theirs = an_attempt(), an_attempt()
    await store.leases.take("jobs", holder=ours, now=NOW, lasts=MINUTE)
    await store.leases.release("jobs", holder=theirs)
    taken = await store.leases.take("jobs", holder=theirs, now=NOW, lasts=MINUTE)
    assert taken == HeldElsewhere(until=NOW + MINUTE)


async def test_leases_of_two_names_are_two(store: AnyStore) -> None:
    for name in ("jobs", "other"):
        taken = await store.leases.take(name, holder=an_attempt(), now=NOW, lasts=MINUTE)
        assert taken == Held(until=NOW + MINUTE)


async def test_of_twenty_that_want_a_free_lease_one_has_it(rivals: Rivals) -> None:
    async def take(store: AnyStore, number: int) -> Any:
        return await store.leases.take("jobs", holder=an_attempt(), now=NOW, lasts=MINUTE)

    assert await rivals.tally(take) == one("Held", "HeldElsewhere")


async def test_of_twenty_that_want_a_lease_that_is_over_one_has_it(rivals: Rivals) -> None:
    await rivals.world.store.leases.take("jobs", holder=an_attempt(), now=NOW - MINUTE, lasts=MINUTE)

    async def take(store: AnyStore, number: int) -> Any:
        return await store.leases.take("jobs", holder=an_attempt(), now=NOW, lasts=MINUTE)

    assert await rivals.tally(take) == one("Held", "HeldElsewhere")


async def test_one_holder_takes_it_twenty_times_at_once(rivals: Rivals) -> None:
    ours = an_attempt()

    async def take(store: AnyStore, number: int) -> Any:
        return await store.leases.take("jobs", holder=ours, now=NOW, lasts=MINUTE)

    assert await rivals.tally(take) == {"Held": 20}


async def test_a_renewal_races_with_releases_of_others_and_is_kept(rivals: Rivals) -> None:
    ours, store = an_attempt(), rivals.world.store
    await store.leases.take("jobs", holder=ours, now=NOW, lasts=MINUTE)

    async def release(store: AnyStore, number: int) -> Any:
        return await store.leases.release("jobs", holder=an_attempt())

    await rivals.race(release)
    taken = await store.leases.take("jobs", holder=an_attempt(), now=NOW, lasts=MINUTE)
    assert taken == HeldElsewhere(until=NOW + MINUTE)


async def test_a_lease_whose_answer_was_lost_is_held(world: World) -> None:
    ours = an_attempt()
    world.store.lose_next_answer()
    held = await world.store.leases.take("jobs", holder=ours, now=NOW, lasts=MINUTE)
    assert held == Held(until=NOW + MINUTE)


async def test_a_lease_is_one_transition_and_leaves_no_audit_row(store: AnyStore) -> None:
    before = store.counters.transitions
    await store.leases.take("jobs", holder=an_attempt(), now=NOW, lasts=MINUTE)
    assert store.counters.transitions == before + 1
    assert await store.audit_rows() == ()
