"""What a large store costs: a rotation hardly more than in an empty one, and a purge nobody's time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Amount
from tests.faults.growth.grown import Grown, Sizes, grown_postgres, grown_sqlite
from tests.faults.growth.loading import by_turns, cpu_us, p99_ms
from tests.postgres import DURABLE, Cluster, Foreign, a_folder

# A slice says little about time on a busy machine: of the bounds it is held to this one alone, and generously.
CPU_RATIO, CPU_RATIO_OF_A_SLICE = 1.8, 4.0
P99_RATIO, PURGE_RATIO = 3.0, 2.0


# Ten families a person and more. What is over is over with its grant and its code: three rows each.
LARGE = {
    "sqlite": Sizes(people=1_000_000, families=10_000_000, ended=340_000, codes=1_000_000),
    "postgresql": Sizes(people=100_000, families=1_340_000, ended=340_000, codes=500_000),
}
SLICE = Sizes(people=2000, families=20_000, ended=800, codes=2000)
# Not quite empty: what is rotated must be there. A thousand families stay in the caches of everything.
EMPTY = Sizes(people=100, families=1000)

Grow = Callable[[str, Sizes], Grown]


@pytest.fixture(scope="module")
def cluster(is_full: bool, request: pytest.FixtureRequest) -> Iterator[Cluster | Foreign]:
    """One that makes everything durable, unless a slice is enough."""
    shared = request.getfixturevalue("postgres")
    if not is_full or isinstance(shared, Foreign):
        yield shared
        return
    folder = a_folder()
    cluster = Cluster(folder, options=DURABLE)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def grow(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Grow]:
    """Makes sites on this kind of store."""
    folder = tmp_path_factory.mktemp("growth")

    def grow(name: str, sizes: Sizes) -> Grown:
        if kind == "sqlite":
            return grown_sqlite(folder / name, sizes)
        return grown_postgres(folder / name, sizes, request.getfixturevalue("cluster"))

    yield grow
    shutil.rmtree(folder)  # pytest would keep it for three runs


@pytest.fixture(scope="module")
def grown(grow: Grow, kind: str, is_full: bool) -> Grown:
    return grow("grown", LARGE[kind] if is_full else SLICE)


@pytest.fixture(scope="module")
def empty(grow: Grow) -> Grown:
    return grow("empty", EMPTY)


def test_a_rotation_costs_hardly_more_in_a_large_store(
    grown: Grown, empty: Grown, amount: Amount, is_full: bool
) -> None:
    rounds, requests = amount(full=11, quick=2), amount(full=3000, quick=500)
    with empty.served() as small, grown.served() as large:
        by_turns((small, large), rounds=1, requests=requests)
        before, after = by_turns((small, large), rounds=rounds, requests=requests)
        print(
            f"\n{large.crowd.families} families: CPU {cpu_us(before):.0f} -> {cpu_us(after):.0f} us per rotation,"
            f" p99 {p99_ms(before):.1f} -> {p99_ms(after):.1f} ms, resident {large.resident_mb:.1f} MB"
        )
    assert cpu_us(after) <= (CPU_RATIO if is_full else CPU_RATIO_OF_A_SLICE) * cpu_us(before)
    assert not is_full or p99_ms(after) <= P99_RATIO * p99_ms(before)


def test_nobody_waits_for_the_purge(grown: Grown, amount: Amount, is_full: bool) -> None:
    alone, together = amount(full=1500, quick=300), amount(full=6000, quick=600)
    crowd = grown.side.crowd
    with grown.served() as large:
        quiet, busy = [large.window(alone)], []
        ends_at = time.monotonic() + amount(full=420, quick=20)
        while grown.left and time.monotonic() < ends_at:
            with grown.purging():
                busy.append(large.window(together))
            quiet.append(large.window(alone))
        print(
            f"\n{crowd.ended - grown.left} of {crowd.ended} families purged in {len(busy)} windows:"
            f" p99 {p99_ms(quiet):.1f} -> {p99_ms(busy):.1f} ms, CPU {cpu_us(quiet):.0f} -> {cpu_us(busy):.0f} us"
        )
        until_gone(grown)
    assert grown.count("SELECT count(*) FROM grants") == crowd.families - crowd.ended
    assert grown.count("SELECT count(*) FROM authorization_codes") == crowd.codes - crowd.ended
    assert not is_full or p99_ms(busy) <= PURGE_RATIO * p99_ms(quiet)


def until_gone(grown: Grown, patience_s: float = 600.0) -> None:
    """What a slow machine has left; the codes of the ended families go after these."""
    crowd = grown.side.crowd
    with grown.purging():
        deadline = time.monotonic() + patience_s
        while grown.count("SELECT count(*) FROM authorization_codes") > crowd.codes - crowd.ended:
            assert time.monotonic() < deadline, "the purge has stopped before its end"
            time.sleep(0.1)
