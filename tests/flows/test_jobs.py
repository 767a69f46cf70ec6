"""Jobs run again and again, whatever becomes of one run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

import pytest
from msgspec.structs import replace

from innkeeper.server.flows.services import Services
from innkeeper.server.jobs.purge_expired import SLICE_ROWS, purge_expired
from innkeeper.server.jobs.refresh_registry import refresh_registry
from innkeeper.server.jobs.rotate_keys import rotate_keys
from innkeeper.server.jobs.runner import JOBS, Job, Runner
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.world import World, a_world

NOTHING = cast(Services, object())


class Counted:
    """A job that counts its runs and may fail."""

    def __init__(self, *errors: Exception) -> None:
        self.runs = 0
        self._errors = list(errors)

    async def __call__(self, services: Services) -> None:
        self.runs += 1
        if self._errors:
            raise self._errors.pop(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_job_runs_after_each_interval() -> None:
    job = Counted()
    runner = Runner(NOTHING, [Job("job", 0.001, job)])
    runner.start()
    assert job.runs == 0
    await until(lambda: job.runs >= 3)
    await runner.stop()
    runs = job.runs
    await asyncio.sleep(0.01)
    assert job.runs == runs


async def test_a_job_that_raises_runs_again_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    failing, other = Counted(*[ValueError("broken")] * 5), Counted()
    runner = Runner(NOTHING, [Job("failing", 0.001, failing), Job("other", 0.001, other)])
    with caplog.at_level(logging.ERROR):
        runner.start()
        await until(lambda: failing.runs > 6 and other.runs > 6)
        await runner.stop()
    assert [record.message for record in caplog.records] == ["job failing failed and will run again: broken"]


async def test_it_is_logged_again_when_it_fails_after_a_success(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def every_other(services: Services) -> None:
        runs.append(1)
        if len(runs) in (1, 2, 4):
            raise StoreUnavailable("away")

    runner = Runner(NOTHING, [Job("job", 0.001, every_other)])
    with caplog.at_level(logging.ERROR):
        runner.start()
        await until(lambda: len(runs) > 5)
        await runner.stop()
    assert len(caplog.records) == 2
    assert not any(record.exc_info for record in caplog.records)


async def test_a_job_can_be_woken_before_its_time() -> None:
    job = Counted()
    runner = Runner(NOTHING, [Job("job", 3600, job)])
    runner.start()
    runner.wake("job")
    await until(lambda: job.runs == 1)
    runner.wake("job")
    await until(lambda: job.runs == 2)
    await runner.stop()


async def test_stopping_what_never_started_or_has_stopped_is_fine() -> None:
    runner = Runner(NOTHING, [])
    await runner.stop()
    runner.start()
    await runner.stop()
    await runner.stop()


def test_every_job_has_a_name_of_its_own() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)


def test_changes_of_other_processes_are_seen_within_a_second() -> None:
    [job] = [job for job in JOBS if job.name == "refresh_registry"]
    assert job.interval_s <= 1


@pytest.fixture
async def world() -> World:
    return await a_world()


async def test_refreshing_takes_in_what_another_process_has_changed(world: World) -> None:
    services = world.services
    client = await services.registry.client("web")
    assert client is not None
    await services.store.clients.replace(replace(client, name="Renamed"), events=())
    await refresh_registry(services)
    renamed = await services.registry.client("web")
    assert renamed is not None
    assert renamed.name == "Renamed"


async def test_rotated_keys_reach_the_ring_and_the_log(world: World) -> None:
    services = world.services
    world.clock.advance(days=1)
    await rotate_keys(services)
    await refresh_registry(services)
    before = services.keys.signer("ES256", "JWT", services.clock.now()).kid
    world.clock.advance(days=120)
    await rotate_keys(services)
    await refresh_registry(services)
    assert services.keys.signer("ES256", "JWT", services.clock.now()).kid != before
    assert world.heard.types() == ["keys.rotated"] * 2


async def test_purging_goes_on_until_nothing_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [SLICE_ROWS, SLICE_ROWS, 3]
    asked: list[int] = []

    async def purge(*, now: object, limit: int) -> int:
        asked.append(limit)
        return left.pop(0)

    monkeypatch.setattr(world.services.store, "purge", purge)
    await purge_expired(world.services)
    assert asked == [SLICE_ROWS] * 3


async def test_a_real_store_purges_without_complaint(world: World) -> None:
    world.clock.advance(days=400)
    await purge_expired(world.services)
    assert await world.services.store.clients.get(ClientId("web")) is not None
