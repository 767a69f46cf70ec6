"""A rotation waits for its standby, its app is told 503, and then it happens: nobody is convicted of that.

The app comes again with the same token, longer after it than the overlap: at the node that told it 503, at another
one after the first has settled what it left in doubt, or at another one in the very moment in which it happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from time import monotonic

import pytest

from innkeeper.server import app
from innkeeper.server.config import Settings
from innkeeper.server.jobs.runner import Job, Runner
from innkeeper.server.jobs.settle_doubts import settle_doubts
from innkeeper.server.storage.postgresql import open_store
from innkeeper.server.storage.postgresql import pool as pools
from tests.faults.failover.pair import Pair, frozen
from tests.refreshing import a_refresh_token, is_refused, may_refresh, refresh, refreshed
from tests.world import MASTER, START, World, a_world

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]
OVERLAP = timedelta(seconds=1)


@pytest.fixture
async def nodes(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, World]]:
    """Two, on one database, and an app with a short overlap. The first one's job runs."""
    monkeypatch.setattr(pools, "COMMAND_S", 0.3)
    await pair.complete()
    dsn = await pair.primary.fresh_database()
    stores = await open_store(dsn), await open_store(dsn)
    one = await a_world(store=stores[0])
    began_s = monotonic()
    monkeypatch.setattr(one.clock, "now", lambda: START + timedelta(seconds=monotonic() - began_s))
    await may_refresh(one, "web", overlap=OVERLAP)
    services = await app.open_services(
        Settings(issuer=one.issuer), stores[1], MASTER, clock=one.clock, events=one.heard
    )
    other = World(services, one.clock, one.heard, one.passwords, app.create_app(services), one.issuer)
    runner = Runner(one.services, [Job("settle_doubts", 0.1, settle_doubts)])
    runner.start()
    yield one, other
    await runner.stop()
    for store in stores:
        await store.close()


async def is_away(world: World, token: str) -> None:
    answer = await refresh(world, token)
    assert answer.status_code == 503, answer.text


async def outlast_the_overlap() -> None:
    await asyncio.sleep(OVERLAP.total_seconds() * 1.2)


async def settled(world: World) -> None:
    async with asyncio.timeout(30):
        while len(world.services.doubts) > 0:
            await asyncio.sleep(0.01)


async def a_thief_is_convicted(world: World, stolen: str, living: str) -> None:
    """Older than the one that the 503 was about."""
    is_refused(await refresh(world, stolen))
    is_refused(await refresh(world, living))
    assert world.heard.types().count("refresh.reused") == 1


async def test_the_node_that_said_503_answers_late(pair: Pair, nodes: tuple[World, World]) -> None:
    one, _ = nodes
    stolen = await a_refresh_token(one)
    token = (await refreshed(one, stolen))["refresh_token"]
    with frozen(pair.standby):
        await is_away(one, token)
        await outlast_the_overlap()
        await is_away(one, token)
    successor = (await refreshed(one, token))["refresh_token"]
    assert one.heard.types().count("refresh.untold") == 1
    assert (await refreshed(one, token))["refresh_token"] == successor
    await a_thief_is_convicted(one, stolen, successor)


async def test_the_other_node_answers_once_the_first_has_settled_it(
    pair: Pair, nodes: tuple[World, World]
) -> None:
    one, other = nodes
    stolen = await a_refresh_token(one)
    token = (await refreshed(one, stolen))["refresh_token"]
    with frozen(pair.standby):
        await is_away(one, token)
        await outlast_the_overlap()
    await settled(one)
    successor = (await refreshed(other, token))["refresh_token"]
    await a_thief_is_convicted(other, stolen, successor)


async def test_the_other_node_convicts_nobody_in_the_moment_in_which_it_happens(
    pair: Pair, nodes: tuple[World, World]
) -> None:
    one, other = nodes
    tokens = [await a_refresh_token(one) for _ in range(6)]
    with frozen(pair.standby):
        await asyncio.gather(*(is_away(one, token) for token in tokens))
        await outlast_the_overlap()
        reads = other.services.store.counters.reads  # type: ignore[attr-defined]
        waiting = [asyncio.create_task(refresh(other, token)) for token in tokens]
        async with asyncio.timeout(30):
            while other.services.store.counters.reads < reads + len(tokens):  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
        # What they have begun to read is what it was before; now they come upon the row.
        await asyncio.sleep(0.1)
    for token, asked in zip(tokens, waiting, strict=True):
        answer = await asked
        # It may say that it does not know yet; the first node does, before long.
        async with asyncio.timeout(30):
            while answer.status_code == 503:
                await asyncio.sleep(0.05)
                answer = await refresh(other, token)
        assert answer.status_code == 200, answer.text
        await refreshed(other, answer.json()["refresh_token"])
    assert "refresh.reused" not in one.heard.types()
