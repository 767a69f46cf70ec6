"""PostgreSQL is away, silent, slow or cut off (F09-F12, F16): 503 meanwhile, no false success, back by itself."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Amount
from tests.faults.storage.nodes_on_disks import is_ready, under_load
from tests.nodes import Node, a_site, running
from tests.postgres import Cluster, Foreign, a_folder
from tests.tcp_proxy import a_tcp_proxy

pytestmark = pytest.mark.e2e

BACK_WITHIN_S = 5.0
BACK_WITHIN_IN_A_SLICE_S = 30.0


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One that a test may stop: the other tests' one goes on."""
    folder = a_folder()
    cluster = Cluster(folder)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.kill()
    shutil.rmtree(folder, ignore_errors=True)


async def a_node(folder: Path, database_url: str) -> Node:
    return (await a_site(folder, database_url=database_url)).node()


async def test_a_database_that_is_stopped_is_503_until_it_is_back(
    tmp_path: Path, own_cluster: Cluster, amount: Amount, is_full: bool
) -> None:
    node = await a_node(tmp_path / "data", await own_cluster.fresh_database())
    with running(node):
        async with under_load(node) as load:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_cluster.stop)
            await is_ready(node, expected=503)
            await asyncio.sleep(amount(full=60, quick=1))
            refused = load.answers[503]
            await asyncio.to_thread(own_cluster.start)
            up_ns = time.monotonic_ns()
            took_s = await load.served_again(up_ns)
            await is_ready(node, expected=200)
        assert refused
        assert took_s < (BACK_WITHIN_S if is_full else BACK_WITHIN_IN_A_SLICE_S)
        print(f"stopped: {refused} times 503; success {took_s:.2f} s after it was back; {load.summary()}")


async def test_a_database_that_dies_under_load_is_followed_by_itself(
    tmp_path: Path, own_cluster: Cluster, amount: Amount, is_full: bool
) -> None:
    node = await a_node(tmp_path / "data", await own_cluster.fresh_database())
    gaps = []
    with running(node):
        async with under_load(node) as load:
            for _ in range(amount(full=20, quick=1)):
                await asyncio.sleep(load.random.uniform(0.3, 1))
                await asyncio.to_thread(own_cluster.kill)
                await asyncio.to_thread(own_cluster.start)
                gaps.append(await load.served_again(time.monotonic_ns()))
        assert max(gaps) < (BACK_WITHIN_S if is_full else BACK_WITHIN_IN_A_SLICE_S), gaps
        print(f"killed {len(gaps)} times: success after at most {max(gaps):.2f} s; {load.summary()}")


async def test_a_node_does_not_start_without_its_database_and_says_so(
    tmp_path: Path, own_cluster: Cluster
) -> None:
    node = await a_node(tmp_path / "data", await own_cluster.fresh_database())
    own_cluster.kill()
    try:
        with running():
            node.launch()
            assert node.process is not None
            assert await asyncio.to_thread(node.process.wait, 60) == 1
        assert "the database cannot be used" in node.log.splitlines()[-1], node.log
        assert "Traceback" not in node.log
    finally:
        node.end()
        own_cluster.start()


async def test_a_black_hole_is_answered_in_time_and_forgotten_afterwards(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount, is_full: bool
) -> None:
    with a_tcp_proxy(await postgres.fresh_database()) as (network, dsn):
        node = await a_node(tmp_path / "data", dsn)
        with running(node):
            async with under_load(node) as load:
                await asyncio.sleep(0.5)
                network.swallow()
                silenced, documents = time.monotonic(), load.documents
                while not load.answers[503]:
                    assert time.monotonic() - silenced < 15, "requests hang"
                    await asyncio.sleep(0.02)
                first_s = time.monotonic() - silenced
                assert load.documents > documents + 3, "discovery and keys waited for the database"
                await asyncio.sleep(amount(full=30, quick=0))
                network.flow()
                took_s = await load.served_again(time.monotonic_ns())
                await is_ready(node, expected=200)
            assert took_s < (BACK_WITHIN_S if is_full else BACK_WITHIN_IN_A_SLICE_S)
            print(f"black hole: 503 after {first_s:.2f} s, success {took_s:.2f} s after; {load.summary()}")


async def test_a_lost_answer_convicts_nobody(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    """What was under way has happened, and only its answer was lost: the store asks again as the same attempt."""
    with a_tcp_proxy(await postgres.fresh_database()) as (network, dsn):
        node = await a_node(tmp_path / "data", dsn)
        with running(node):
            async with under_load(node) as load:
                network.lost_answers = 0.02
                await asyncio.sleep(amount(full=60, quick=2))
                network.lost_answers = 0.0
            assert network.lost
            print(f"{network.lost} answers lost: {load.summary()}")


@pytest.mark.faults("storage")
async def test_cut_connections_break_nothing(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    with a_tcp_proxy(await postgres.fresh_database()) as (network, dsn):
        node = await a_node(tmp_path / "data", dsn)
        with running(node):
            async with under_load(node) as load:
                for _ in range(amount(full=500, quick=15)):
                    await asyncio.sleep(load.random.uniform(0, 0.2))
                    network.cut()
            assert load.answers[200]
            print(f"cut: {load.summary()}")


@pytest.mark.faults("storage")
async def test_a_slow_database_slows_the_answers_and_breaks_nothing(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    with a_tcp_proxy(await postgres.fresh_database()) as (network, dsn):
        node = await a_node(tmp_path / "data", dsn)
        with running(node):
            async with under_load(node) as load:
                await asyncio.sleep(0.2)
                network.delay_s = 0.2
                before = load.answers[200]
                await asyncio.sleep(amount(full=30, quick=3))
                slow = load.answers[200] - before
                network.delay_s = 0.0
            # Long transactions collide more often, and a few give up in time.
            assert slow > load.answers[503], load.answers
            print(f"slow: {slow} successes meanwhile; {load.summary()}")


@pytest.mark.faults("storage")
async def test_a_database_that_refuses_connections_is_503(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    with a_tcp_proxy(await postgres.fresh_database()) as (network, dsn):
        node = await a_node(tmp_path / "data", dsn)
        with running(node):
            async with under_load(node) as load:
                await asyncio.sleep(0.3)
                network.refuse()
                await is_ready(node, expected=503)
                await asyncio.sleep(amount(full=20, quick=1))
                network.listen()
                await is_ready(node, expected=200)
            assert load.answers[503]
