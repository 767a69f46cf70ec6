"""Real nodes on machines whose clocks are an hour wrong, or a minute apart (F17, F18)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from innkeeper.jose import base64url
from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.clock.false_clock import FalseClock
from tests.faults.judging import violations
from tests.faults.load import Load
from tests.nodes import API, Node, Site, a_site, a_steady_port, running
from tests.postgres import Cluster, Foreign
from tests.wire import Wire

pytestmark = pytest.mark.e2e

HOUR_S = 3600
LIVES = 4
# What a request may take on a busy machine, and what is cut off a time in whole seconds.
ABOUT_NOW_S = 5.0
# Nothing that these lives hold ends within the hours that the clocks are wrong.
LONG = {"authorization_code_s": 86_400}


def issued_at(token: str) -> int:
    return int(msgspec.json.decode(base64url.decode(token.split(".")[1]))["iat"])


@asynccontextmanager
async def under_load(site: Site, *nodes: Node) -> AsyncIterator[Load]:
    """Lives that are judged at the end."""
    wires = [Wire(node.port, host=site.host) for node in nodes]
    load = Load(site, *wires)
    await load.start(lives=LIVES)
    yield load
    await load.finish()
    for wire in wires:
        wire.close()
    await asyncio.sleep(0)
    found = violations(load.history)
    assert not found, f"{len(found)} violations, the first:\n{found[0]}"
    assert not load.faults, load.faults[:3]
    print(f"{len(nodes)} nodes: {len(load.history.operations)} operations, {dict(load.answers)}")


# ------------------------------------------------------------ one node on SQLite


async def test_what_expired_stays_so_through_steps_and_restarts(tmp_path: Path) -> None:
    site, clock = await a_site(tmp_path / "data"), FalseClock(tmp_path / "time")
    with running(clock.node(site)) as (node,):
        async with Wire(node.port, host=site.host) as wire:
            browser, web = Browser(site, wire), App(site, wire)
            await browser.sign_in()
            early = await browser.code()
            clock.set(HOUR_S)
            assert (await web.exchange(early)).error == "invalid_grant"
            tokens = await web.tokens(browser)
            ahead = issued_at(tokens["access_token"])
            assert ahead - time.time() > HOUR_S - ABOUT_NOW_S
            clock.set(-HOUR_S)
            assert (await web.exchange(early)).error == "invalid_grant"
            after = await web.refresh(tokens["refresh_token"])
            assert issued_at(after.json["access_token"]) >= ahead
            assert node.stop() == 0, node.log
            node.start()
            assert (await web.exchange(early)).error == "invalid_grant"
            again = await web.refresh(after.json["refresh_token"])
            assert issued_at(again.json["access_token"]) >= ahead
            assert again.json["refresh_token"] != after.json["refresh_token"]


async def test_steps_under_load_on_sqlite(tmp_path: Path, amount: Amount) -> None:
    site = await a_site(tmp_path / "data", lifetimes=LONG)
    site.command("api", "change", API, "--token-lifetime", "24h")
    clock = FalseClock(tmp_path / "time")
    with running(clock.node(site)) as (node,):
        async with under_load(site, node) as load:
            for _ in range(amount(full=40, quick=2)):
                clock.set(load.random.choice((0, HOUR_S, -HOUR_S, 60, -60)))
                await asyncio.sleep(0.5)


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [(-30 * 86_400, "was last written to"), (-3000 * 86_400, "Set the clock")],
    ids=["a-month-behind", "before-it-was-written"],
)
async def test_a_clock_that_must_be_wrong_is_refused_unless_it_is_accepted(
    ahead_s: int, words: str, tmp_path: Path
) -> None:
    site, clock = await a_site(tmp_path / "data"), FalseClock(tmp_path / "time")
    clock.set(ahead_s)
    node = clock.node(site)
    node.launch()
    assert node.process is not None
    assert await asyncio.to_thread(node.process.wait, 60) != 0
    assert words in node.log
    assert "--accept-clock" in node.log
    assert "Traceback" not in node.log
    node.words = ("--accept-clock",)
    with running(node):
        async with Wire(node.port, host=site.host) as wire:
            assert (await wire.get("/readyz")).status == 200


# ------------------------------------------------------------ two nodes on PostgreSQL


async def test_two_nodes_whose_machines_disagree_agree_on_the_time(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    clocks = [FalseClock(tmp_path / name) for name in ("one", "two")]
    for clock, ahead_s in zip(clocks, (60, -60), strict=True):
        clock.set(ahead_s)
    with running(*(clock.node(site, a_steady_port()) for clock in clocks)) as nodes:
        async with under_load(site, *nodes) as load:
            for _ in range(amount(full=40, quick=2)):
                await asyncio.sleep(0.5)
                for node in nodes:
                    assert abs(await time_of(site, node) - time.time()) < ABOUT_NOW_S, node.log
                load.random.choice(clocks).set(load.random.choice((0, 60, -60, HOUR_S, -HOUR_S)))


async def time_of(site: Site, node: Node) -> int:
    """What a token says that this node has just signed. A busy machine may send us away for a moment."""
    async with Wire(node.port, host=site.host) as wire:
        cron = App(site, wire, "cron")
        answer, deadline = await cron.machine_token(), time.monotonic() + 20
        while answer.status == 503 and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            answer = await cron.machine_token()
    assert answer.status == 200, f"{answer.body!r} {node.log}"
    return issued_at(answer.json["access_token"])


async def test_a_node_whose_machine_is_a_day_off_starts_as_any_other(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    """The database's clock is the time; the machine's is not asked."""
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database())
    clock = FalseClock(tmp_path / "time")
    clock.set(-3 * 86_400)
    with running(clock.node(site)) as (node,):
        assert abs(await time_of(site, node) - time.time()) < ABOUT_NOW_S, node.log
