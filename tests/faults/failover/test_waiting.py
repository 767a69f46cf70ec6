"""What the standby has not got is shown to nobody: a failover may still lose it.

PostgreSQL has committed before it waits for the standby. Whoever cancels that wait makes the commit visible, so a
revoked token would be dead on every node and alive again after the failover.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql import open_store
from innkeeper.server.storage.postgresql import pool as pools
from tests.contract.store.builders import a_client
from tests.faults.failover.pair import Pair, frozen

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both loops that the server runs on: what happens first after a time-out is theirs to say."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def test_a_commit_that_waits_for_the_standby_is_shown_to_nobody(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "COMMAND_S", 0.3)
    await pair.complete()
    store = await open_store(await pair.primary.fresh_database())
    app = a_client()
    try:
        with frozen(pair.standby):
            with pytest.raises(StoreUnavailable):
                await store.clients.create(app, events=())
            # Longer than a cancellation would need.
            await asyncio.sleep(0.5)
            assert await store.clients.get(app.client_id) is None
        # The standby has caught up, and nothing that was committed is lost.
        async with asyncio.timeout(30):
            while await store.clients.get(app.client_id) is None:
                await asyncio.sleep(0.01)
    finally:
        await store.close()
