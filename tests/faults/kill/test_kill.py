"""`kill -9` of a live server under load (F01, F02): what it acknowledged is kept, what is single-use is used once."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import apsw
import pytest

from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.judging import violations
from tests.faults.load import Load
from tests.faults.records import Records
from tests.nodes import Node, Site, a_site, a_steady_port, running
from tests.postgres import Cluster, Foreign
from tests.wire import Unsent, Wire

pytestmark = pytest.mark.e2e

LIVES = 8
BACK_WITHIN_S = 2.0
# A slice runs beside other tests, on however few cores there are.
BACK_WITHIN_IN_A_SLICE_S = 15.0


async def test_a_killed_node_comes_back_with_everything_it_acknowledged(tmp_path: Path) -> None:
    site = await a_site(tmp_path / "data")
    with running(site.node()) as (node,):
        async with Wire(node.port, host=site.host) as wire:
            browser, web = Browser(site, wire), App(site, wire)
            await browser.sign_in()
            code = await browser.code()
            tokens = await web.tokens(browser)
            given_back = await web.tokens(browser)
            assert (await web.revoke(given_back["refresh_token"])).status == 200

            node.kill()
            with pytest.raises(Unsent):
                await wire.get("/healthz")
            node.start()

            # Still signed in, since no page came first.
            assert (await browser.authorize()).location.startswith("https://web.example.test/cb?code=")
            assert (await web.exchange(code)).status == 200
            assert (await web.exchange(code)).error == "invalid_grant"
            assert (await web.refresh(tokens["refresh_token"])).status == 200
            assert (await web.refresh(given_back["refresh_token"])).error == "invalid_grant"
            assert (await web.introspect(given_back["access_token"])).json == {"active": False}


async def test_kills_under_load_lose_nothing_and_double_nothing_on_sqlite(
    tmp_path: Path, amount: Amount, is_full: bool
) -> None:
    site = await a_site(tmp_path / "data")
    with running(site.node()) as nodes:
        gaps = await killed_again_and_again(site, nodes, amount(full=300, quick=2))
        judge_gaps(gaps, is_full=is_full)
    database = apsw.Connection(str(site.folder.database), flags=apsw.SQLITE_OPEN_READWRITE)
    assert database.execute("PRAGMA integrity_check").get == "ok"
    database.close()


async def test_kills_under_load_lose_nothing_and_double_nothing_on_postgresql(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount, is_full: bool
) -> None:
    """Two nodes that share nothing but the database; now one is killed and now the other, and both are asked."""
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    with running(site.node(), site.node(a_steady_port())) as nodes:
        gaps = await killed_again_and_again(site, nodes, amount(full=300, quick=2))
        judge_gaps(gaps, is_full=is_full)


def judge_gaps(gaps: list[float], *, is_full: bool) -> None:
    """From a death to the first success of a request that began after it, at that node."""
    median = statistics.median(gaps)
    told = f"back after {median:.2f} s (median), {max(gaps):.2f} s (longest of {len(gaps)})"
    print(told, [round(gap, 2) for gap in gaps])
    assert median < (BACK_WITHIN_S if is_full else BACK_WITHIN_IN_A_SLICE_S), told


async def killed_again_and_again(site: Site, nodes: Sequence[Node], rounds: int) -> list[float]:
    """Answers how long each death was noticed. Fails with every violation."""
    async with under_load(site, nodes) as load:
        gaps = []
        for number in range(rounds):
            node = nodes[number % len(nodes)]
            # Anywhere in whatever the server is doing then.
            await load.work_done(load.random.randrange(5, 60))
            await asyncio.sleep(load.random.uniform(0, 0.02))
            killed_ns = time.monotonic_ns()
            await asyncio.to_thread(node.kill)
            node.launch()
            gaps.append(await load.served_again(killed_ns, node.port))
    return gaps


@asynccontextmanager
async def under_load(site: Site, nodes: Sequence[Node]) -> AsyncIterator[Load]:
    """Lives and records while the test does something to the server; then everything is judged."""
    async with site.services() as services, AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(node.port, host=site.host)) for node in nodes]
        load = Load(site, *wires)
        records = Records(load, services)
        await load.start(lives=LIVES, more=(records.sign_in, records.make_app))
        yield load
        await load.finish()
        await records.read_all()
    print(load.summary())
    found = violations(load.history)
    assert not found, f"{len(found)} violations, the first:\n{found[0]}"
    assert not load.faults, load.faults[:3]
    assert not any("unhandled in" in node.log for node in nodes)
