"""What a rotation makes SQLite do, counted exactly: the same at every size, and never row by row."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from innkeeper.server.storage.rows import Value
from innkeeper.server.storage.sqlite.refresh_families import READ, ROTATE
from tests.faults.growth.crowd import FIRST_GENERATION
from tests.faults.growth.filling import steps_sqlite
from tests.faults.growth.grown import Grown, Sizes, grown_sqlite


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grown, Grown]:
    folder = tmp_path_factory.mktemp("sizes")
    return (
        grown_sqlite(folder / "small", Sizes(people=20, families=200)),
        grown_sqlite(folder / "large", Sizes(people=2000, families=20_000)),
    )


@pytest.mark.parametrize("sql", [READ, ROTATE], ids=["read", "rotate"])
def test_a_rotation_takes_as_many_steps_in_a_large_store(sizes: tuple[Grown, Grown], sql: str) -> None:
    small, large = (steps(grown, sql) for grown in sizes)
    assert small == large
    assert small[1] == 0


def steps(grown: Grown, sql: str) -> tuple[int, int]:
    """For a family in the middle."""
    crowd = grown.side.crowd
    values: tuple[Value, ...] = (crowd.key(crowd.families // 2),)
    if sql == ROTATE:
        now_us = time.time_ns() // 1000
        basis = (1, 1, 1, 0)
        values = (*values, now_us, FIRST_GENERATION, *basis, b"attempt", now_us + 1, 1)
    database: Path = grown.side.site.folder.database
    return steps_sqlite(database, sql, values)
