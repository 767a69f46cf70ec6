"""Runs what happens without a request: each job again and again, whatever becomes of one run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from innkeeper.server.flows.services import Services
from innkeeper.server.jobs.lead import Lead
from innkeeper.server.jobs.measure_clock import measure_clock
from innkeeper.server.jobs.purge_expired import purge_expired
from innkeeper.server.jobs.refresh_registry import refresh_registry
from innkeeper.server.jobs.reseal import reseal
from innkeeper.server.jobs.rotate_keys import rotate_keys
from innkeeper.server.jobs.settle_doubts import settle_doubts
from innkeeper.server.storage.outcomes import StoreUnavailable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """`interval_s` passes between the end of one run and the start of the next."""

    name: str
    interval_s: float
    run: Callable[[Services], Awaitable[None]]
    on_one_node: bool = False
    """It looks after what all nodes share: the one that holds the lease runs it, the others do not."""


JOBS: Final[tuple[Job, ...]] = (
    Job("refresh_registry", 0.5, refresh_registry),
    Job("settle_doubts", 1.0, settle_doubts),
    Job("measure_clock", 10.0, measure_clock),
    Job("rotate_keys", 5.0, rotate_keys, on_one_node=True),
    Job("purge_expired", 60.0, purge_expired, on_one_node=True),
    Job("reseal", 60.0, reseal, on_one_node=True),
)


class Runner:
    """`start` and `stop` belong to one event loop."""

    def __init__(self, services: Services, jobs: Sequence[Job] = JOBS, lead: Lead | None = None) -> None:
        self._services = services
        self._jobs = jobs
        is_shared = any(job.on_one_node for job in jobs)
        self._lead = lead or (Lead(services) if is_shared else None)
        self._woken = {job.name: asyncio.Event() for job in jobs}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Each job first runs after its interval: what the start needs, the start has done itself."""
        if self._task is None:
            self._task = asyncio.create_task(self._supervise(), name="jobs")

    async def stop(self) -> None:
        """Ends between two awaits of a job: a transition that the store has accepted still happens."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await task
        finally:
            if self._lead is not None:
                await self._lead.give_up()

    def wake(self, name: str) -> None:
        """The job runs now, or once more when it is running. On the event loop only."""
        self._woken[name].set()

    async def _supervise(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self._lead is not None:
                group.create_task(self._lead.keep(), name="lead")
            for job in self._jobs:
                group.create_task(self._every(job), name=job.name)

    async def _every(self, job: Job) -> None:
        woken = self._woken[job.name]
        failing = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(job.interval_s):
                    await woken.wait()
            woken.clear()
            if job.on_one_node and self._lead is not None and not self._lead.is_ours:
                continue
            failing = not await self._succeeds(job, quiet=failing)

    async def _succeeds(self, job: Job, *, quiet: bool) -> bool:
        """Logs the first failure of a row: a store that is away must not fill the log once a second."""
        try:
            await job.run(self._services)
        except Exception as error:
            if not quiet:
                trace = None if isinstance(error, StoreUnavailable) else error
                _log.error("job %s failed and will run again: %s", job.name, error, exc_info=trace)
            return False
        return True
