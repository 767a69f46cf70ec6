"""What is already so is not said before it is safe: a failover may still take it back.

A commit that waited for the standby when its primary crashed is seen by everybody once that has started again, and the
standby has not got it. Whoever comes again changes nothing, so nothing of theirs waits for the standby either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from innkeeper.server.storage.outcomes import Done, Missing, Replayed, StoreUnavailable
from innkeeper.server.storage.postgresql import PostgresStore, open_store
from innkeeper.server.storage.postgresql import pool as pools
from tests.contract.store.builders import HOUR, NOW, World, a_change, a_key, a_session, an_attempt
from tests.faults.failover.pair import Pair, connected, frozen

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]
Ending = Callable[[PostgresStore], Awaitable[Any]]


async def endings(world: World) -> dict[str, tuple[Ending, Any]]:
    """What ends something or says that it has ended, and what it says once it is safe."""
    _, revoked = await world.issued()
    code, _ = await world.issued()
    await world.redeem(code)
    session, token, events = a_session(), a_key(), (a_change(),)
    await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    return {
        "revoking a grant": (lambda s: s.grants.revoke(revoked.grant_id, now=NOW, events=events), Done()),
        "denying a token": (
            lambda s: s.access_tokens.deny(token, expires_at=NOW + HOUR, events=events),
            Done(),
        ),
        "signing out": (lambda s: s.sessions.end(session.key, events=events), Missing()),
        "replaying a code": (lambda s: world.redeem(code, store=s), Replayed()),
    }


async def test_what_the_standby_has_not_got_is_not_said_to_be_so(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "COMMAND_S", 0.3)
    await pair.complete()
    dsn = await pair.primary.fresh_database()
    name = dsn.rpartition("/")[2]
    async with connected(pair.primary) as administrator:
        # Its commits are seen before the standby has them, as after a crash of the primary.
        await administrator.execute(f"ALTER DATABASE {name} SET synchronous_commit = local")
        hasty = await open_store(dsn, judges_by_caller=True)
        world = await World(hasty).build()
        said = await endings(world)
        await administrator.execute(f"ALTER DATABASE {name} RESET synchronous_commit")
    store = await open_store(dsn, judges_by_caller=True)
    try:
        with frozen(pair.standby):
            for end, _ in said.values():
                await end(hasty)
            again = await asyncio.gather(*(end(store) for end, _ in said.values()), return_exceptions=True)
        told = dict(zip(said, again, strict=True))
        assert {what: told[what] for what in said if not isinstance(told[what], StoreUnavailable)} == {}
        monkeypatch.undo()
        for end, outcome in said.values():
            assert await end(store) == outcome
    finally:
        await store.close()
        await hasty.close()
