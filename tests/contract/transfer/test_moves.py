"""Everything arrives, whatever interrupts it, and whoever opens both databases finds one of them served at most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from innkeeper.server.flows.transfer.move import give_up, move
from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.schema.migrations import SchemaRefused
from innkeeper.server.storage.transfer.interface import End, TransferConflict
from innkeeper.server.storage.transfer.records import Row
from tests.contract.transfer.filling import NOW, nothing
from tests.contract.transfer.places import Place, a_full_place, an_empty_place, moved
from tests.postgres import Cluster, Foreign

WAYS = [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite")]
WRITES = ("create", "add", "set_mark", "complete")


@pytest.fixture(params=WAYS, ids="-to-".join)
async def way(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: Cluster | Foreign
) -> tuple[Place, Place]:
    """A full database, and an empty place for it."""
    here, there = request.param
    return (
        await a_full_place(here, tmp_path / "here", postgres),
        await an_empty_place(there, tmp_path / "there", postgres),
    )


class Interrupted(Exception):
    """As if the process had been killed between two transactions, or its last answer lost."""


class Interrupting:
    """An end that counts what it writes and ends it there: before the transaction, or after it."""

    def __init__(self, end: End, budget: list[int]) -> None:
        self._end = end
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._end, name)
        if name not in WRITES:
            return method

        async def run(*arguments: Any, **options: Any) -> Any:
            self._spend()
            answer = await method(*arguments, **options)
            self._spend()
            return answer

        return run

    def _spend(self) -> None:
        self._budget[0] -= 1
        if self._budget[0] == 0:
            raise Interrupted


def without_lists(content: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Without the audit: each move leaves a row there."""
    return {name: rows for name, rows in content.items() if name != "audit_events"}


async def test_every_row_arrives_and_only_the_new_database_is_served(way: tuple[Place, Place]) -> None:
    source, target = way
    before = await source.content()
    assert all(before.values()), "a table without a row shows nothing"
    assert await moved(source, target) == sum(map(len, before.values()))
    after = await target.content()
    assert without_lists(after) == without_lists(before)
    assert set(before["audit_events"]) < set(after["audit_events"])
    assert len(after["audit_events"]) == len(before["audit_events"]) + 1
    assert await target.is_served()
    assert not await source.is_served()
    with pytest.raises(SchemaRefused, match="has moved to"):
        await source.store()
    with pytest.raises(TransferRefused, match="already"):
        await moved(source, target)


async def test_it_may_be_interrupted_anywhere_and_goes_on_and_never_are_both_served(
    way: tuple[Place, Place],
) -> None:
    source, target = way
    before = await source.content()
    for interruption in range(1, 1000):
        budget = [interruption % 13 + 2]
        try:
            async with source.alone() as here, target.alone() as there:
                ends: Any = Interrupting(here, budget), Interrupting(there, budget)
                await move(*ends, now=NOW, transfer=f"{interruption:x}", may_replace=False, tell=nothing)
            break
        except Interrupted:
            assert not (await source.is_served() and await target.is_served())
        except TransferRefused:  # "already": the last answer of all was lost
            break
    assert interruption > 10
    after = await target.content()
    assert without_lists(after) == without_lists(before)
    assert await target.is_served() and not await source.is_served()


async def test_what_is_under_way_is_given_up_and_the_old_database_is_served_again(
    way: tuple[Place, Place],
) -> None:
    source, target = way
    async with source.alone() as here, target.alone() as there:
        ends: Any = here, Interrupting(there, [12])
        with pytest.raises(Interrupted):
            await move(*ends, now=NOW, transfer="1", may_replace=False, tell=nothing)
    with pytest.raises(SchemaRefused, match="being moved"):
        await source.store()
    with pytest.raises(SchemaRefused, match="not complete"):
        await target.store()
    async with source.alone() as here:
        await give_up(here)
    assert await source.is_served()
    assert not await target.is_served()
    with pytest.raises(TransferRefused, match="--replace"):
        await moved(source, target, transfer="2")
    await moved(source, target, transfer="2", may_replace=True)
    assert await target.is_served() and not await source.is_served()
    async with source.alone() as here:
        with pytest.raises(TransferRefused, match="no move to give up"):
            await give_up(here)


async def test_a_write_to_the_old_database_meanwhile_is_found(way: tuple[Place, Place]) -> None:
    source, target = way
    store = await source.store() if source.database.url is not None else None
    async with target.alone() as there:
        if store is not None:
            with pytest.raises(StoreUnavailable, match="stop every node"):
                async with source.alone():
                    pass
            await store.close()
        async with source.alone() as here:
            wrote = False

            def write(what: str, table: str, rows: int) -> None:
                nonlocal wrote
                wrote = wrote or what == "Checking"

            original = here.rows

            async def rows(table: Any, after: Any, limit: int) -> list[Row]:
                found = await original(table, after, limit)
                # What was read a moment ago is not there any more at the second reading.
                return found[:-1] if wrote and table.name == "grants" and found else found

            here.rows = rows  # type: ignore[method-assign]
            with pytest.raises(TransferRefused, match="grants"):
                await move(here, there, now=NOW, transfer="1", may_replace=False, tell=write)
    assert not await target.is_served()
    assert not await source.is_served()


async def test_nothing_is_moved_over_a_database_unless_that_is_asked_for(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    source = await a_full_place("sqlite", tmp_path / "here", postgres)
    target = await a_full_place("postgresql", tmp_path / "there", postgres)
    before = await target.content()
    with pytest.raises(TransferRefused, match="--replace"):
        await moved(source, target)
    assert await target.content() == before
    assert await source.is_served() and await target.is_served()


async def test_two_moves_into_one_database_do_not_mix(way: tuple[Place, Place]) -> None:
    source, target = way
    async with source.alone() as here, target.alone() as there:
        ends: Any = here, Interrupting(there, [12])
        with pytest.raises(Interrupted):
            await move(*ends, now=NOW, transfer="1", may_replace=False, tell=nothing)
        positions = await there.positions()
        name, position = next((name, at) for name, at in positions.items() if at.is_complete)
        table = next(table for table in await there.tables() if table.name == name)
        with pytest.raises(TransferConflict, match="somebody else"):
            await there.add(table, [], before=position, after=position)
        with pytest.raises(TransferConflict, match="somebody else"):
            await there.set_mark(None, expected=None)
