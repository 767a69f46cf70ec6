"""`kill -9` of a live server under load (F01, F02): what it acknowledged is kept, what is single-use is used once."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.judging import violations
from tests.faults.load import Load
from tests.faults.records import Records
from tests.nodes import Node, Site, a_site, running
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


async def test_kills_under_load_lose_nothing_and_double_nothing(
    tmp_path: Path, amount: Amount, is_full: bool
) -> None:
    site = await a_site(tmp_path / "data")
    with running(site.node()) as (node,):
        rounds = amount(full=300, quick=4)
        gaps = await killed_again_and_again(site, node, rounds)
        told = f"back after {statistics.median(gaps):.2f} s (median), {max(gaps):.2f} s (longest of {rounds})"
        print(told)
        assert statistics.median(gaps) < (BACK_WITHIN_S if is_full else BACK_WITHIN_IN_A_SLICE_S), told
    database = apsw.Connection(str(site.folder.database), flags=apsw.SQLITE_OPEN_READWRITE)
    assert database.execute("PRAGMA integrity_check").get == "ok"
    database.close()


async def killed_again_and_again(site: Site, node: Node, rounds: int) -> list[float]:
    """Answers how long each death was noticed. Fails with every violation."""
    async with under_load(site, node) as load:
        gaps = []
        for _ in range(rounds):
            # Anywhere in whatever the server is doing then.
            await asyncio.sleep(load.random.uniform(0.05, 0.6))
            killed_ns = time.monotonic_ns()
            await asyncio.to_thread(node.kill)
            node.launch()
            gaps.append(await load.served_again(killed_ns))
    return gaps


@asynccontextmanager
async def under_load(site: Site, node: Node) -> AsyncIterator[Load]:
    """Lives and records while the test does something to the server; then everything is judged."""
    async with site.services() as services, Wire(node.port, host=site.host) as wire:
        load = Load(site, wire)
        records = Records(load, services)
        await load.start(lives=LIVES, more=(records.sign_in, records.make_app))
        yield load
        await load.finish()
        await records.read_all()
    found = violations(load.history)
    assert not found, f"{len(found)} violations, the first:\n{found[0]}"
    assert not load.faults, load.faults[:3]
    print(
        f"{len(load.history.operations)} operations, {load.unanswered} unanswered, {dict(load.answers)}, "
        f"{len(load.history.by_key())} keys"
    )
