"""Group commit: what is batched, what is isolated, what a lost transaction takes along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import apsw
import pytest
import uvloop

from innkeeper.server.storage.outcomes import Done, InDoubt, Redeemed, StoreUnavailable
from innkeeper.server.storage.sqlite import SqliteStore, connection, open_store
from innkeeper.server.storage.sqlite.transaction import Transaction
from tests.contract.store.builders import NOW, World, a_client, a_key


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """As another process does that is in the middle of its own transaction."""
    other = apsw.Connection(str(database))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_what_has_queued_is_one_commit(sqlite_store: SqliteStore, database: Path) -> None:
    before = sqlite_store.counters.commits
    with locked(database):
        # The first one is what the writer waits with; the others queue behind it.
        runs = [asyncio.ensure_future(create(sqlite_store, number)) for number in range(51)]
        await asyncio.sleep(0.1)
    assert await asyncio.gather(*runs) == [Done()] * 51
    assert sqlite_store.counters.commits - before <= 2


async def test_what_one_turn_of_the_loop_submits_shares_its_commits(sqlite_store: SqliteStore) -> None:
    """One, unless the machine wakes the writer while the turn is being handed over."""
    before = sqlite_store.counters.commits
    assert await asyncio.gather(*(create(sqlite_store, number) for number in range(64))) == [Done()] * 64
    assert sqlite_store.counters.commits - before <= 3


async def test_what_was_submitted_in_the_turn_of_the_end_is_still_done(database: Path) -> None:
    store = open_store(database)
    accepted = asyncio.ensure_future(create(store, 0))
    await asyncio.sleep(0)  # submitted, not yet handed over
    store._close()
    assert await accepted == Done()


async def test_the_writer_survives_whatever_goes_wrong_between_two_batches(
    sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**values: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(sqlite_store._writer, "_let_others_in", fail)
    monkeypatch.setattr(sqlite_store._handle, "between_batches", fail)
    async with asyncio.timeout(10):
        for number in range(5):
            assert await create(sqlite_store, number) == Done()
            await asyncio.sleep(0.06)


async def create(store: SqliteStore, number: int) -> object:
    return await store.clients.create(a_client(f"client-{number}"), events=())


async def test_an_answer_comes_after_its_commit(sqlite_store: SqliteStore) -> None:
    answered: list[bool] = []

    def commit_slowly() -> bool:
        sleep(0.1)
        answered.append(run.done())
        return False

    def install(transaction: Transaction) -> None:
        transaction._connection.set_commit_hook(commit_slowly)

    run = sqlite_store._writer.submit(install)
    await run
    assert answered == [False]


async def test_a_commit_that_fails_is_in_doubt(
    sqlite_store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else is: what has not come so far has not happened."""

    def install(transaction: Transaction) -> None:
        transaction._connection.set_commit_hook(lambda: True)

    with pytest.raises(InDoubt):
        await sqlite_store._writer.submit(install)
    assert await create(sqlite_store, 1) == Done()
    monkeypatch.setattr(connection, "LOCK_WAIT_S", 0.1)
    with locked(database), pytest.raises(StoreUnavailable) as refused:
        await create(sqlite_store, 2)
    assert not isinstance(refused.value, InDoubt)


async def test_a_transition_that_fails_takes_no_neighbour_along(
    sqlite_store: SqliteStore, database: Path
) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.change("INSERT INTO client_origins VALUES ('half', 'done')")
        raise ZeroDivisionError

    with locked(database):
        first = asyncio.ensure_future(create(sqlite_store, 1))
        await asyncio.sleep(0.02)
        failing = sqlite_store._writer.submit(fail)
        last = asyncio.ensure_future(create(sqlite_store, 2))
        await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await failing
    assert [await first, await last] == [Done(), Done()]
    assert await sqlite_store.clients.with_origin("half") == ()
    rows = await sqlite_store._reader.scan("SELECT 1 FROM client_origins WHERE origin = 'half'")
    assert rows == []


async def test_when_the_transaction_is_lost_nothing_of_the_batch_counts(
    sqlite_store: SqliteStore, database: Path
) -> None:
    ran_afterwards: list[str] = []

    def lose(transaction: Transaction) -> None:
        # What SQLite does by itself on a full disk or an IO error.
        transaction.rows("ROLLBACK")

    def run_afterwards(transaction: Transaction) -> None:
        ran_afterwards.append("ran")

    with locked(database):
        blocked = asyncio.ensure_future(create(sqlite_store, 0))
        await asyncio.sleep(0.02)
        before = asyncio.ensure_future(create(sqlite_store, 1))
        await asyncio.sleep(0)
        losing = sqlite_store._writer.submit(lose)
        behind = sqlite_store._writer.submit(run_afterwards)
    assert await blocked == Done()
    for failed in (before, losing, behind):
        with pytest.raises(StoreUnavailable):
            await failed
    assert ran_afterwards == []
    assert [client.client_id for client in await sqlite_store.clients.list()] == ["client-0"]
    assert await create(sqlite_store, 1) == Done()
    await sqlite_store.probe()


async def test_a_cancelled_caller_does_not_cancel_its_transition(
    sqlite_store: SqliteStore, database: Path
) -> None:
    with locked(database):
        task = asyncio.ensure_future(create(sqlite_store, 1))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await sqlite_store.probe()
    assert len(await sqlite_store.clients.list()) == 1


async def test_a_full_queue_refuses_at_once(database: Path) -> None:
    store = open_store(database, queue_limit=3)
    with locked(database):
        runs = [asyncio.ensure_future(create(store, 0))]
        await asyncio.sleep(0.1)
        runs += [asyncio.ensure_future(create(store, number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        refused = [run for run in runs if run.done()]
        assert len(refused) == 2
        for run in refused:
            assert isinstance(run.exception(), StoreUnavailable)
    answers = await asyncio.gather(*runs, return_exceptions=True)
    assert answers.count(Done()) == 4
    await store.close()


async def test_a_lock_that_is_given_back_is_waited_for(sqlite_store: SqliteStore, database: Path) -> None:
    with locked(database):
        run = asyncio.ensure_future(create(sqlite_store, 1))
        await asyncio.sleep(0.3)
        assert not run.done()
    assert await run == Done()


async def test_a_lock_that_is_kept_too_long_is_unavailability_and_no_half_success(
    sqlite_store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_WAIT_S", 0.1)
    with locked(database):
        with pytest.raises(StoreUnavailable, match="locked"):
            await create(sqlite_store, 1)
        assert await sqlite_store.clients.list() == ()
    assert await create(sqlite_store, 1) == Done()


async def test_what_was_accepted_is_done_before_the_store_closes(database: Path) -> None:
    store = open_store(database)
    runs = [asyncio.ensure_future(create(store, number)) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*runs) == [Done()] * 20
    with pytest.raises(StoreUnavailable):
        await create(store, 21)
    with pytest.raises(StoreUnavailable):
        await store.codes.read(a_key())
    with pytest.raises(StoreUnavailable):
        await store.clients.list()


async def test_point_reads_complete_without_suspending(sqlite_world: World) -> None:
    code, grant = await sqlite_world.issued()
    store = sqlite_world.store
    reads = [
        store.codes.read(code.key),
        store.grants.standing(grant.grant_id),
        store.clients.get(grant.client_id),
        store.users.for_sign_in("erin"),
        store.sessions.get(a_key()),
        store.consents.of(grant.user_id, grant.client_id),
    ]
    for read in reads:
        with pytest.raises(StopIteration):
            read.send(None)


async def test_no_read_pins_an_old_snapshot(sqlite_world: World, database: Path) -> None:
    """An unfinished cursor would keep showing a token that was revoked meanwhile."""
    code, grant = await sqlite_world.issued()
    await sqlite_world.store.codes.read(code.key)
    await sqlite_world.store.clients.list()
    await sqlite_world.store.grants.revoke(grant.grant_id, now=NOW, events=())
    other = apsw.Connection(str(database))
    other.execute("SELECT 1 FROM clients").fetchall()
    left, moved = other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    other.close()
    assert (left, moved) == (0, 0)
    assert await sqlite_world.is_revoked(grant.grant_id)


def test_the_store_works_under_uvloop(database: Path) -> None:
    async def sign_in() -> None:
        store = open_store(database)
        world = await World(store).build()
        code, _ = await world.issued()
        outcomes = await asyncio.gather(*(world.redeem(code) for _ in range(20)))
        assert outcomes.count(Redeemed()) == 1
        await store.close()

    uvloop.run(sign_in())


@pytest.fixture
async def counted(sqlite_world: World) -> Any:
    counters = sqlite_world.store.counters

    def since() -> tuple[int, int, int, int]:
        return counters.reads, counters.transitions, counters.statements, counters.commits

    return sqlite_world, since


async def test_what_a_code_costs(counted: Any) -> None:
    """Exact and free of noise: reads, transitions, statements, commits."""
    world, since = counted
    code, grant = world.authorization()
    costs: list[tuple[int, ...]] = []
    for step in (world.issue(code, grant), world.store.codes.read(code.key), world.redeem(code)):
        before = since()
        await step
        costs.append(tuple(now - then for now, then in zip(since(), before, strict=True)))
    assert costs == [
        (0, 1, 3, 1),  # grant, code, audit row
        (1, 0, 0, 0),
        (0, 1, 2, 1),  # the code with all its conditions, audit row
    ]
