"""The disk is full: writes fail whole, reads go on, and space is all that is needed to recover."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from innkeeper.server.storage.outcomes import Done, Redeemed, StoreUnavailable
from innkeeper.server.storage.sqlite import SqliteStore
from tests.contract.store.builders import LATER_THAN_ALL, World


def pages(database: Path) -> int:
    other = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    count: int = other.execute("PRAGMA page_count").get
    other.close()
    return count


@pytest.mark.parametrize("spare_pages", [0, 1, 5, 40])
async def test_a_full_disk_leaves_nothing_half_done(
    sqlite_world: World, database: Path, spare_pages: int
) -> None:
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    earlier, _ = await sqlite_world.issued()
    store.limit_pages(pages(database) + spare_pages)
    done = failed = 0
    while not failed:
        pairs = [sqlite_world.authorization() for _ in range(32)]
        runs = (sqlite_world.issue(code, grant) for code, grant in pairs)
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        for (code, grant), outcome in zip(pairs, outcomes, strict=True):
            is_there = await store.codes.read(code.key) is not None
            assert is_there == (outcome == Done())
            assert (await store.grants.standing(grant.grant_id) is not None) == is_there
            assert outcome == Done() or isinstance(outcome, StoreUnavailable)
            done, failed = done + is_there, failed + (not is_there)
    assert await sqlite_world.audit("code.issued") == done + 1
    with pytest.raises(StoreUnavailable):
        for _ in range(200):
            await sqlite_world.issued()
    with pytest.raises(StoreUnavailable):
        await store.probe()
    assert await store.codes.read(earlier.key) is not None
    assert (await store.registry.snapshot()).epoch > 0

    store.limit_pages(None)
    await store.probe()
    assert await sqlite_world.issue(*sqlite_world.authorization()) == Done()
    assert await sqlite_world.redeem(earlier) == Redeemed()


async def test_a_purge_makes_room_on_a_full_disk(sqlite_world: World, database: Path) -> None:
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)
    await asyncio.gather(*(sqlite_world.issued() for _ in range(200)))
    store.limit_pages(pages(database))
    with pytest.raises(StoreUnavailable):
        for _ in range(200):
            await sqlite_world.issued()
    assert await store.purge(now=LATER_THAN_ALL, limit=1000) > 0
    await store.probe()
    assert await sqlite_world.issue(*sqlite_world.authorization()) == Done()
