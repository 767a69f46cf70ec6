"""Of many nodes one runs the jobs that look after what they share, and another takes over when it is gone."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import pytest

from innkeeper.server.flows.services import Services
from innkeeper.server.jobs.lead import LASTS, RENEWED_EVERY_S, Lead
from innkeeper.server.jobs.runner import JOBS, Job, Runner
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.interface.leases import Leases
from innkeeper.server.storage.memory.store import MemoryStore
from innkeeper.server.storage.outcomes import Held, HeldElsewhere, StoreUnavailable
from tests.flows.test_jobs import Counted, until
from tests.world import World, a_world


@pytest.fixture
async def world() -> World:
    return await a_world()


class Passing:
    """Monotonic seconds, as far as a test lets them pass; the world's clock goes with them."""

    def __init__(self, world: World) -> None:
        self.seconds = 1000.0
        self._world = world

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self._world.clock.advance(seconds=seconds)


def two_leads(world: World) -> tuple[Lead, Lead, Passing]:
    passing = Passing(world)
    first, second = (Lead(world.services, monotonic=passing) for _ in range(2))
    return first, second, passing


def leading(*leads: Lead) -> list[bool]:
    return [lead.is_ours for lead in leads]


async def test_one_of_two_nodes_leads(world: World) -> None:
    first, second, _ = two_leads(world)
    assert leading(first, second) == [False, False]
    await first.renew()
    await second.renew()
    assert leading(first, second) == [True, False]


async def test_who_renews_goes_on_leading(world: World) -> None:
    first, second, passing = two_leads(world)
    for _ in range(10):
        await first.renew()
        passing.advance(RENEWED_EVERY_S)
        await second.renew()
        assert leading(first, second) == [True, False]


async def test_when_a_node_was_killed_another_takes_over_after_the_lease(world: World) -> None:
    first, second, passing = two_leads(world)
    await first.renew()
    passing.advance(LASTS.total_seconds() - 1)
    await second.renew()
    assert not second.is_ours
    passing.advance(1)
    assert not first.is_ours
    await second.renew()
    assert second.is_ours


async def test_who_gives_up_leaves_it_to_the_next_at_once(world: World) -> None:
    first, second, _ = two_leads(world)
    await first.renew()
    await first.give_up()
    assert not first.is_ours
    await second.renew()
    assert second.is_ours
    await first.give_up()
    await first.renew()
    assert leading(first, second) == [False, True]


async def test_a_lead_that_cannot_be_renewed_ends_before_another_can_begin(world: World) -> None:
    first, _, passing = two_leads(world)
    store = world.services.store
    assert isinstance(store, MemoryStore)
    await first.renew()
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await first.renew()
    assert first.is_ours
    passing.advance(LASTS.total_seconds())
    assert not first.is_ours


async def test_giving_up_does_not_wait_for_a_store_that_is_away(world: World) -> None:
    first, _, _ = two_leads(world)
    store = world.services.store
    assert isinstance(store, MemoryStore)
    await first.renew()
    store.is_away = True
    await first.give_up()
    assert not first.is_ours


class SlowToTake:
    """Leases of a store that is slow to take one. Like every store it goes on when its caller was cancelled."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self.is_asked = asyncio.Event()
        self.may_land = asyncio.Event()
        self.landing: asyncio.Task[Held | HeldElsewhere]
        self.release = leases.release

    async def take(
        self, name: str, *, holder: Attempt, now: datetime, lasts: timedelta
    ) -> Held | HeldElsewhere:
        self.landing = asyncio.create_task(self._late(name, holder, now, lasts))
        return await asyncio.shield(self.landing)

    async def _late(
        self, name: str, holder: Attempt, now: datetime, lasts: timedelta
    ) -> Held | HeldElsewhere:
        self.is_asked.set()
        await self.may_land.wait()
        return await self._leases.take(name, holder=holder, now=now, lasts=lasts)


async def cancelled_renewal(lead: Lead, world: World) -> SlowToTake:
    """What the store still does of it."""
    store = world.services.store
    assert isinstance(store, MemoryStore)
    slow = SlowToTake(store.leases)
    store.leases = slow
    renewal = asyncio.create_task(lead.renew())
    await slow.is_asked.wait()
    renewal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewal
    return slow


@pytest.mark.parametrize("has_led", [True, False], ids=["a-later-one", "the-first"])
async def test_a_renewal_that_lands_late_does_not_keep_what_was_given_up(world: World, has_led: bool) -> None:
    first, second, _ = two_leads(world)
    if has_led:
        await first.renew()
    slow = await cancelled_renewal(first, world)
    giving_up = asyncio.create_task(first.give_up())
    asyncio.get_running_loop().call_later(0.01, slow.may_land.set)
    await giving_up
    await slow.landing
    assert not first.is_ours
    await second.renew()
    assert second.is_ours


async def test_giving_up_does_not_wait_for_a_renewal_without_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innkeeper.server.jobs.lead._RELEASE_S", 0.01)
    first, _, _ = two_leads(world)
    await first.renew()
    slow = await cancelled_renewal(first, world)
    async with asyncio.timeout(5):
        await first.give_up()
    assert not first.is_ours
    slow.may_land.set()
    await slow.landing


def quickly(services: Services) -> Lead:
    return Lead(services, lasts=timedelta(seconds=60), renewed_every_s=0.001)


async def test_a_shared_job_runs_on_one_node_and_the_others_run_everywhere(world: World) -> None:
    shared, everywhere = Counted(), Counted()
    runners, counts = [], []
    for _ in range(3):
        own = Counted()
        counts.append(own)
        jobs = [Job("shared", 0.001, own, on_one_node=True), Job("everywhere", 0.001, everywhere)]
        runners.append(Runner(world.services, [*jobs, Job("all", 0.001, shared)], quickly(world.services)))
    for runner in runners:
        runner.start()
    await until(lambda: sum(own.runs for own in counts) > 20 and everywhere.runs > 60)
    assert sorted(own.runs > 0 for own in counts) == [False, False, True]
    leader = next(number for number, own in enumerate(counts) if own.runs)
    await runners[leader].stop()
    stopped_at = counts[leader].runs
    others = [own for number, own in enumerate(counts) if number != leader]
    await until(lambda: any(own.runs > 5 for own in others))
    assert counts[leader].runs == stopped_at
    assert sorted(own.runs > 0 for own in others) == [False, True]
    for runner in runners:
        await runner.stop()


async def test_a_woken_shared_job_stays_with_its_node(world: World) -> None:
    lead, job = quickly(world.services), Counted()
    await quickly(world.services).renew()
    runner = Runner(world.services, [Job("job", 3600, job, on_one_node=True)], lead)
    runner.start()
    for _ in range(5):
        runner.wake("job")
        await asyncio.sleep(0.001)
    assert job.runs == 0
    await runner.stop()


class Torn:
    """Leases in a table that cannot be read any more: an error, but no database that is away."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self.is_torn = True
        self.asked = 0

    async def take(
        self, name: str, *, holder: Attempt, now: datetime, lasts: timedelta
    ) -> Held | HeldElsewhere:
        self.asked += 1
        if self.is_torn:
            raise LookupError("invalid page in block 0 of relation leases")
        return await self._leases.take(name, holder=holder, now=now, lasts=lasts)

    async def release(self, name: str, *, holder: Attempt) -> None:
        if self.is_torn:
            raise LookupError("invalid page in block 0 of relation leases")
        await self._leases.release(name, holder=holder)


def torn(world: World) -> Torn:
    store = world.services.store
    assert isinstance(store, MemoryStore)
    leases = store.leases = Torn(store.leases)
    return leases


async def test_whatever_becomes_of_the_lease_the_jobs_of_this_node_go_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A node whose registry stands still would go on serving an app that was disabled elsewhere."""
    leases, own, shared = torn(world), Counted(), Counted()
    jobs = [Job("own", 0.001, own), Job("shared", 0.001, shared, on_one_node=True)]
    runner = Runner(world.services, jobs, quickly(world.services))
    with caplog.at_level(logging.ERROR):
        runner.start()
        await until(lambda: leases.asked > 5 and own.runs > 5)
        assert shared.runs == 0
        leases.is_torn = False
        await until(lambda: shared.runs > 5)
        await runner.stop()
    [record] = caplog.records
    assert "lease" in record.message and "invalid page" in record.message and record.exc_info


async def test_a_lease_that_cannot_be_given_back_is_told_and_stops_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first, _, _ = two_leads(world)
    await first.renew()
    torn(world)
    with caplog.at_level(logging.ERROR):
        await first.give_up()
    assert not first.is_ours
    assert "invalid page" in caplog.text


async def test_whatever_ended_the_jobs_the_lease_is_given_back(world: World) -> None:
    class Breaking(Lead):
        async def keep(self) -> None:
            await self.renew()
            raise LookupError("a fault of ours")

    lead = Breaking(world.services)
    runner = Runner(world.services, [], lead)
    runner.start()
    await until(lambda: lead.is_ours)
    with pytest.raises(ExceptionGroup):
        await runner.stop()
    second = quickly(world.services)
    await second.renew()
    assert second.is_ours


def test_what_looks_after_one_node_runs_on_each() -> None:
    assert {job.name for job in JOBS if job.on_one_node} == {"rotate_keys", "purge_expired", "reseal"}
    assert "refresh_registry" in {job.name for job in JOBS if not job.on_one_node}
