"""Migrations, moves, backups and restores that are killed before any of their statements, and run once more.

After the kill and before the next run nothing that is half there is ever served.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from innkeeper.server.flows.transfer.refusal import TransferRefused
from innkeeper.server.flows.transfer.restore import verify
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.marks import Mark
from tests.conftest import Amount
from tests.contract.transfer.filling import NOW, nothing
from tests.contract.transfer.places import Place, a_full_place, an_empty_place
from tests.e2e.programs import environment
from tests.postgres import Cluster, Foreign

ROOT = Path(__file__).resolve().parents[3]
KILLED = {"signal": 9}
AN_OLD_SCHEMA = 4


@dataclass
class Dying:
    """The process that forks the others."""

    process: subprocess.Popen[str]

    async def trial(
        self, what: str, source: Place, target: Place | None = None, *, dies_before: int | None = None
    ) -> Any:
        order = {"what": what, "source": text(source), "target": text(target), "dies_before": dies_before}
        return await asyncio.to_thread(self._trial, json.dumps(order))

    def _trial(self, order: str) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def text(place: Place | None) -> str:
    return "" if place is None else place.database.url or str(place.path)


@pytest.fixture(scope="module")
def dying() -> Iterator[Dying]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.kill.dying"],
        cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield Dying(process)
    process.communicate()


def chosen(statements: int, amount: Amount) -> list[int]:
    """Before which statement it dies: always the last, which is a COMMIT, and some before it."""
    assert statements > 5
    between = range(1, statements)
    return [*sorted(random.sample(between, min(len(between), amount(full=20, quick=1)))), statements]


async def give_an_old_schema(place: Place) -> None:
    """Of the first few migrations alone, as a version of long ago has left it."""
    async with place.alone() as end:
        mark = Mark(kind="arriving", transfer="ab12")
        await end.create(migrations.load()[:AN_OLD_SCHEMA], mark)
        await end.complete((), (), (), now=NOW)


async def schema_of(place: Place) -> Any:
    async with place.snapshot() as end:
        return await end.applied(), await end.tables()


@pytest.mark.parametrize("start", ["empty", "old"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_migration_that_is_killed_before_any_statement_is_done_by_the_next_start(
    kind: str, start: str, dying: Dying, tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    async def a_place(number: int) -> Place:
        place = await an_empty_place(kind, tmp_path / str(number), postgres)
        if start == "old":
            await give_an_old_schema(place)
        return place

    whole = await a_place(0)
    counted = await dying.trial("migrate", whole)
    for dies_before in chosen(counted["statements"], amount):
        place = await a_place(dies_before)
        before = await schema_of(place) if start == "old" else None
        assert await dying.trial("migrate", place, dies_before=dies_before) == KILLED
        if start == "old":  # all of it, or nothing
            assert await schema_of(place) in (before, await schema_of(whole))
        assert (await dying.trial("migrate", place))["exit"] == 0
        assert await schema_of(place) == await schema_of(whole)


@pytest.mark.parametrize(
    ("here", "there"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], ids=["there", "back"]
)
async def test_a_move_that_is_killed_before_any_statement_goes_on_and_never_are_both_served(
    here: str, there: str, dying: Dying, tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    async def places(number: int) -> tuple[Place, Place]:
        folder = tmp_path / str(number)
        return (
            await a_full_place(here, folder / "here", postgres),
            await an_empty_place(there, folder / "there", postgres),
        )

    counted = await dying.trial("move", *await places(0))
    for dies_before in chosen(counted["statements"], amount):
        source, target = await places(dies_before)
        before = await source.content()
        assert await dying.trial("move", source, target, dies_before=dies_before) == KILLED
        is_over = await target.is_served()
        assert not (is_over and await source.is_served())
        if not is_over:
            # A second kill, somewhere on the way that is left.
            await dying.trial("move", source, target, dies_before=random.randint(1, counted["statements"]))
            if not await target.is_served():
                assert (await dying.trial("move", source, target))["exit"] == 0
        after = await target.content()
        assert set(before.pop("audit_events")) < set(after.pop("audit_events"))
        assert after == before
        assert await target.is_served() and not await source.is_served()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_restore_that_is_killed_before_any_statement_goes_on_and_is_not_served_before_its_end(
    kind: str, dying: Dying, tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    full = await a_full_place("sqlite", tmp_path / "full", postgres)
    file = Place(tmp_path / "backup")
    assert (await dying.trial("backup", full, file))["exit"] == 0
    whole = await an_empty_place(kind, tmp_path / "whole", postgres)
    counted = await dying.trial("restore", file, whole)
    expected = await whole.content()
    expected.pop("audit_events")
    for dies_before in chosen(counted["statements"], amount):
        target = await an_empty_place(kind, tmp_path / str(dies_before), postgres)
        assert await dying.trial("restore", file, target, dies_before=dies_before) == KILLED
        if not await target.is_served():
            assert (await dying.trial("restore", file, target))["exit"] == 0
        after = await target.content()
        after.pop("audit_events")
        assert after == expected
        assert await target.is_served()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_backup_that_is_killed_leaves_no_backup_and_a_database_that_is_served(
    kind: str, dying: Dying, tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    full = await a_full_place(kind, tmp_path / "full", postgres)
    counted = await dying.trial("backup", full, Place(tmp_path / "whole"))
    for dies_before in chosen(counted["statements"], amount)[:-1]:
        file = Place(tmp_path / str(dies_before))
        assert await dying.trial("backup", full, file, dies_before=dies_before) == KILLED
        assert await full.is_served()
        if not file.path.exists():
            continue
        try:
            async with file.snapshot() as end:
                await verify(end, nothing)
        except (TransferRefused, StoreUnavailable):
            continue
        # Killed while it was read again: it is whole, though nobody has given it its name yet.
        assert await file.content() == await full.content()
