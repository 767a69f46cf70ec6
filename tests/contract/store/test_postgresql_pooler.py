"""Through a real PgBouncer in transaction mode: connections are shared, and no statement relies on the one before."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec.structs import replace

from innkeeper.server import app
from innkeeper.server.config import Database
from innkeeper.server.storage.outcomes import Done, Redeemed, StoreUnavailable
from innkeeper.server.storage.postgresql import open_store
from innkeeper.server.storage.schema.migrations import SchemaRefused
from tests.contract.store import families, laws
from tests.contract.store.builders import HOUR, NOW, AnyStore, World, a_session, a_token, an_attempt
from tests.contract.store.conftest import a_database
from tests.contract.store.rivals import Rivals
from tests.contract.store.test_postgresql_hosts import with_hosts
from tests.contract.store.test_postgresql_settings import WAITS
from tests.pooler import OF_THE_ROLE, a_pooler, give_to_the_role
from tests.postgres import Cluster, Foreign

WIDTH = 20


@pytest.fixture
async def direct(request: pytest.FixtureRequest) -> str:
    return await a_database(request)


@pytest.fixture
async def through(direct: str) -> AsyncIterator[str]:
    """Two nodes of ten connections each share three."""
    await give_to_the_role(direct)
    with a_pooler(direct, size=3) as dsn:
        yield dsn


@pytest.fixture
async def rivals(through: str) -> AsyncIterator[Rivals]:
    stores: list[AnyStore] = [await open_store(through, pooler=True, judges_by_caller=True) for _ in range(2)]
    yield Rivals(world=await World(stores[0]).build(), stores=stores)
    for store in stores:
        await store.close()


async def test_twenty_redemptions_have_one_winner(rivals: Rivals) -> None:
    world = rivals.world
    for _ in range(5):
        code, grant = await world.issued()

        async def redeem(store: AnyStore, number: int, code: Any = code, grant: Any = grant) -> Any:
            return await world.redeem(code, access_token=a_token(grant), store=store)

        assert await rivals.tally(redeem, WIDTH) == Counter(Redeemed=1, Replayed=WIDTH - 1)


async def test_transactions_of_several_statements_stay_together(rivals: Rivals) -> None:
    world = rivals.world

    async def rename(store: AnyStore, number: int) -> Any:
        return await store.clients.replace(replace(world.client, name=f"app {number}"), events=())

    assert await rivals.tally(rename, WIDTH) == Counter(Done=1, Conflict=WIDTH - 1)
    session = a_session()
    first = await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    assert first == Done()
    again = a_session(sid=session.sid)
    started = await world.store.sessions.start(again, replaces=session.key, attempt=an_attempt(), events=())
    assert started == Done()
    assert await world.store.sessions.get(session.key) is None


async def test_different_statements_at_once_do_not_mix(rivals: Rivals) -> None:
    """Without names the last statement that was prepared on a connection is the one that runs."""
    world = rivals.world

    async def read(store: AnyStore, number: int) -> Any:
        for _ in range(10):
            if number % 3 == 0:
                assert await store.clients.get(world.client.client_id) == world.client
            elif number % 3 == 1:
                assert await store.users.get(world.user.user_id) == world.user
            else:
                snapshot = await store.registry.snapshot()
                assert snapshot.apis
        return Done()

    assert await rivals.tally(read, 30) == Counter(Done=30)


@pytest.mark.parametrize(
    "law",
    [
        laws.an_attempt_that_won_is_told_so_again,
        laws.an_assertion_is_claimed_once,
        families.an_overlap_is_answered_twenty_times,
    ],
    ids=lambda law: law.__name__,
)
async def test_the_laws_hold(law: Any, rivals: Rivals) -> None:
    await law(rivals.world)


async def test_a_store_that_is_not_told_of_the_pooler_does_not_start(through: str) -> None:
    """It would set up sessions and name statements, which belong to connections that it does not have."""
    with pytest.raises(StoreUnavailable, match=r"database\.pooler"):
        await open_store(through)


@pytest.mark.parametrize("where", ["beside", "in-the-query", "in-the-environment"])
@pytest.mark.parametrize("what", ["serving", "command", "backup"])
async def test_several_hosts_and_a_pooler_are_refused(
    direct: str, where: str, what: Literal["serving", "command", "backup"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them may lead to a standby, where a token that was revoked is still alive."""
    parts = urlsplit(direct)
    hosts = f"{parts.hostname},db2.example.test"
    if where == "beside":
        url = with_hosts(direct, after="db2.example.test")
    else:
        url = f"postgresql://{parts.path}?user={parts.username}"
        url += f"&host={hosts}" if where == "in-the-query" else ""
        monkeypatch.setenv("PGHOST", hosts)
        monkeypatch.setenv("PGPORT", str(parts.port))
    database = Database(url=url, pooler=True)
    with pytest.raises(SchemaRefused, match=r"database\.url .*pooler.* one address"):
        if what == "backup":
            await (await app.open_snapshot(Path("nowhere"), database)).close()
        else:
            await (await app.open_store(Path("nowhere"), database, role=what)).close()


async def test_who_waits_for_a_row_through_it_gives_up_and_nothing_happens_later(
    rivals: Rivals, direct: str
) -> None:
    """The pooler goes on with a statement whose client is gone: it would happen after its 503."""
    world = rivals.world
    code, _ = await world.issued()
    holding = await asyncpg.connect(direct)
    await holding.execute("BEGIN")
    await holding.execute("SELECT 1 FROM authorization_codes FOR UPDATE")
    with pytest.raises(StoreUnavailable):
        await world.redeem(code)
    assert await holding.fetchval(WAITS) == 0
    await holding.execute("ROLLBACK")
    await holding.close()
    assert await world.redeem(code) == Redeemed()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        OF_THE_ROLE | {"lock_timeout": "0"},
        OF_THE_ROLE | {"lock_timeout": "2s"},
        OF_THE_ROLE | {"lock_timeout": "1min"},
        OF_THE_ROLE | {"idle_in_transaction_session_timeout": "0"},
    ],
    ids=lambda settings: "-".join(settings.values()) or "none",
)
async def test_a_role_whose_statements_wait_too_long_is_refused(
    direct: str, settings: dict[str, str]
) -> None:
    await give_to_the_role(direct, settings)
    with a_pooler(direct) as through, pytest.raises(SchemaRefused, match="ALTER ROLE"):
        await (await open_store(through, pooler=True)).close()


async def test_the_refusal_names_what_mends_it(postgres: Cluster | Foreign) -> None:
    """To the letter, with the pooler told to connect anew."""
    direct = await postgres.fresh_database()
    owner = f'Desk "{os.urandom(4).hex()}" clerk'
    quoted = owner.replace('"', '""')
    administrator = await asyncpg.connect(direct)
    await administrator.execute(f'CREATE ROLE "{quoted}" LOGIN')
    try:
        name = urlsplit(direct).path.lstrip("/")
        await administrator.execute(f'ALTER DATABASE {name} OWNER TO "{quoted}"')
        with a_pooler(direct, user=owner) as through, pytest.raises(SchemaRefused) as refused:
            await (await open_store(through, pooler=True)).close()
        mends = re.findall(r"ALTER ROLE .*?;", str(refused.value))
        assert len(mends) == 2 and "RECONNECT" in str(refused.value)
        for mend in mends:
            await administrator.execute(mend)
        with a_pooler(direct, user=owner) as through:
            await (await open_store(through, pooler=True)).close()
    finally:
        await administrator.execute(f'REASSIGN OWNED BY "{quoted}" TO CURRENT_USER')
        await administrator.execute(f'DROP ROLE "{quoted}"')
        await administrator.close()


async def test_purging_goes_through_it(rivals: Rivals) -> None:
    await rivals.world.issued()
    purged = await asyncio.gather(
        *(store.purge(now=NOW + HOUR * 24 * 400, limit=100) for store in rivals.stores)
    )
    assert sum(purged) > 0
