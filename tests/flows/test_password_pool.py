"""The pool that hashes off the event loop: bounded, and the same road for known and unknown names."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from innkeeper.server.config import SignInLimits
from innkeeper.server.flows.password_pool import PasswordPool
from innkeeper.server.flows.services import Busy
from innkeeper.server.identity.factors import password


@pytest.fixture
def pool() -> Iterator[PasswordPool]:
    pool = PasswordPool(SignInLimits(password_workers=1, password_queue=2))
    yield pool
    pool.close()


class Hashes:
    """Stands in for Argon2: remembers what it was asked and waits for permission."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self.go = threading.Event()
        monkeypatch.setattr(password, "verify", self.verify)

    def verify(self, hash: str, given: str) -> bool:  # noqa: A002
        self.asked.append(hash)
        self.threads.add(threading.current_thread().name)
        self.go.wait(10)
        return True


async def test_a_password_is_hashed_and_recognised(pool: PasswordPool) -> None:
    known = await pool.hash("plum teapot gravel moon")
    assert await pool.verify(known, "plum teapot gravel moon")
    assert not await pool.verify(known, "another")
    assert not pool.needs_rehash(known)


async def test_BF_10_an_unknown_name_costs_a_dummy_hash_and_is_never_right(
    pool: PasswordPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = Hashes(monkeypatch)
    hashes.go.set()
    assert not await pool.verify(None, "anything")
    assert hashes.asked == [password.DUMMY_HASH]


async def test_known_and_unknown_names_go_through_the_same_workers(
    pool: PasswordPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = Hashes(monkeypatch)
    hashes.go.set()
    await pool.verify(None, "x")
    await pool.verify("some hash", "x")
    assert len(hashes.threads) == 1
    assert threading.current_thread().name not in hashes.threads


async def test_DO_10_beyond_workers_and_queue_it_is_busy(
    pool: PasswordPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = Hashes(monkeypatch)
    waiting = [asyncio.create_task(pool.verify(None, "x")) for _ in range(3)]
    await asyncio.sleep(0)
    for known in (None, "some hash"):
        with pytest.raises(Busy):
            await pool.verify(known, "x")
    with pytest.raises(Busy):
        await pool.hash("x")
    hashes.go.set()
    assert await asyncio.gather(*waiting) == [False] * 3
    assert await pool.verify("some hash", "x")


async def test_DO_10_a_caller_that_gives_up_makes_no_room_before_its_work_has_ended(
    pool: PasswordPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = Hashes(monkeypatch)
    running = asyncio.create_task(pool.verify("first", "x"))
    while not hashes.asked:
        await asyncio.sleep(0.001)
    queued = [asyncio.create_task(pool.verify("queued", "x")) for _ in range(2)]
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(Busy):
        await pool.verify("more", "x")
    hashes.go.set()
    await asyncio.gather(*queued)


async def test_the_event_loop_goes_on_while_passwords_are_checked(pool: PasswordPool) -> None:
    checks = [asyncio.create_task(pool.verify(None, "x")) for _ in range(3)]
    turns = 0
    while not all(check.done() for check in checks):
        await asyncio.sleep(0)
        turns += 1
    # On the loop itself each check would have taken one turn.
    assert turns > 100


async def test_warming_needs_no_waiting(pool: PasswordPool) -> None:
    pool.warm()
    assert not await pool.verify(None, "x")


def test_there_are_never_more_workers_than_cores() -> None:
    pool = PasswordPool(SignInLimits(password_workers=1000))
    try:
        assert pool._executor._max_workers <= (os.cpu_count() or 1)
    finally:
        pool.close()
