"""The node that runs the jobs for all is killed: another takes them over, and nobody has to tell it."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from innkeeper.server.flows.services import Services
from innkeeper.server.jobs.lead import LASTS, LEASE, RENEWED_EVERY_S
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import HeldElsewhere
from tests.nodes import a_site, a_steady_port, running
from tests.postgres import Cluster, Foreign

pytestmark = [pytest.mark.e2e, pytest.mark.faults("clock")]

# Beyond what docs/operate.md promises: a busy machine may be late.
GRACE_S = 15.0
# What this process has must be over for nodes whose clocks are behind it, or they would think it held.
OVER = timedelta(seconds=-2)


async def is_held(services: Services) -> bool:
    """By a node. Where it is free we have had it, and that is over."""
    us = Attempt(os.urandom(16))
    taken = await services.store.leases.take(LEASE, holder=us, now=services.clock.now(), lasts=OVER)
    return isinstance(taken, HeldElsewhere)


async def seconds_until(services: Services, wanted: bool, patience_s: float) -> float:
    began = time.monotonic()
    while await is_held(services) is not wanted:
        assert time.monotonic() - began < patience_s
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def test_the_jobs_of_a_killed_node_are_taken_over(tmp_path: Path, postgres: Cluster | Foreign) -> None:
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    first, second = (site.node(a_steady_port()) for _ in range(2))
    async with site.services() as services:
        assert not await is_held(services)
        with running(first):
            await seconds_until(services, True, RENEWED_EVERY_S + GRACE_S)
            with running(second):
                await asyncio.sleep(1)
                first.kill()
                free_s = await seconds_until(services, False, LASTS.total_seconds() + GRACE_S)
                taken_s = await seconds_until(services, True, RENEWED_EVERY_S + GRACE_S)
                print(f"free after {free_s:.0f} s, taken over {taken_s:.0f} s later")
                # A node that ends gives it back at once.
                assert second.stop() == 0, second.log
                assert not await is_held(services)
