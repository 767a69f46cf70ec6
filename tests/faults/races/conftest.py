"""The state that a module's races share, and new ones for those that break the store."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import Amount
from tests.faults.races.harness import Arena, an_arena
from tests.postgres import Cluster, Foreign

# By width: how many at full length, and how many in the ordinary run.
Trials = Callable[[Mapping[int, tuple[int, int]], int], int]


@pytest.fixture(scope="session")
def trials_of(amount: Amount, request: pytest.FixtureRequest) -> Trials:
    """How many of one race: `--trials` of them, or what its width is worth in the time that the suite has."""
    asked_for: int | None = request.config.getoption("trials")

    def choose(by_width: Mapping[int, tuple[int, int]], width: int) -> int:
        full, quick = by_width[width]
        return asked_for or amount(full=full, quick=quick)

    return choose


@pytest.fixture(scope="module")
async def prepared(request: pytest.FixtureRequest) -> str:
    """A state of the module's `STORE` in which everything is but what is raced for."""
    cluster: Cluster | Foreign
    if request.module.STORE == "memory":
        return "memory"
    if request.module.STORE == "postgresql":
        cluster = request.getfixturevalue("postgres")
        address = await cluster.fresh_database()
    else:
        folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("prepared")
        address = str(folder / "innkeeper.sqlite")
    async with an_arena(address):
        return address


@pytest.fixture
async def address(prepared: str, request: pytest.FixtureRequest) -> str:
    """A copy of it."""
    return await a_copy(prepared, request)


@pytest.fixture(scope="module")
async def arena(prepared: str, request: pytest.FixtureRequest) -> AsyncIterator[Arena]:
    """This process and, where the store can be shared, another one."""
    address = await a_copy(prepared, request)
    async with an_arena(address, others=0 if address == "memory" else 1) as arena:
        yield arena


async def a_copy(prepared: str, request: pytest.FixtureRequest) -> str:
    """Each test that breaks its store has one to itself."""
    if prepared == "memory":
        return prepared
    if prepared.startswith("postgresql:"):
        cluster: Cluster | Foreign = request.getfixturevalue("postgres")
        return await cluster.fresh_database(prepared)
    folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("races")
    shutil.copy(prepared, folder)
    return str(folder / Path(prepared).name)
