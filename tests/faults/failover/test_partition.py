"""The network between one node and the database is gone (F35): that node says so, and the other one serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.faults.load import DOCUMENTS
from tests.nodes import a_site, a_steady_port, running
from tests.postgres import Cluster, Foreign
from tests.proxy import Proxy, a_proxy
from tests.serving import free_socket, port_of
from tests.tcp_proxy import a_tcp_proxy
from tests.wire import Wire

pytestmark = pytest.mark.e2e


async def test_a_node_without_the_database_says_so_and_the_other_one_serves(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    dsn, listening = await postgres.fresh_database(), free_socket()
    with a_tcp_proxy(dsn) as (network, fragile_dsn):
        site = await a_site(tmp_path / "data", database_url=dsn, port=port_of(listening))
        cut_off = site.node(a_steady_port(), INNKEEPER_DATABASE__URL=fragile_dsn)
        other = site.node(a_steady_port())
        with running(cut_off, other), a_proxy([cut_off.port, other.port], listening) as proxy:
            await asyncio.to_thread(proxy.wait_until_ready)
            async with (
                Wire(cut_off.port, host=site.host) as alone,
                Wire(proxy.port, host=site.host) as all_ways,
            ):
                browser, web = Browser(site, all_ways), App(site, all_ways)
                await browser.sign_in()
                tokens = await web.tokens(browser)
                there = App(site, alone)
                assert (await there.introspect(tokens["access_token"])).json["active"] is True

                network.refuse()
                await until_ready(proxy, {other.port})
                assert (await alone.get("/readyz")).status == 503
                # It knows nothing, and does not guess.
                for answer in (
                    await there.introspect(tokens["access_token"]),
                    await there.refresh(tokens["refresh_token"]),
                ):
                    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
                    assert int(answer.headers["retry-after"]) > 0
                for path in DOCUMENTS:
                    assert (await alone.get(path)).status == 200
                # Whoever comes through the balancer notices nothing.
                before = proxy.answers.copy()
                tokens = (await web.refresh(tokens["refresh_token"])).json
                assert (await web.revoke(tokens["refresh_token"])).status == 200
                assert (await web.exchange(await browser.code())).status == 200
                assert {port for port, _ in proxy.answers - before} == {other.port}

                network.listen()
                await until_ready(proxy, {cut_off.port, other.port})
                assert (await there.introspect(tokens["access_token"])).json == {"active": False}
                assert (await there.refresh(tokens["refresh_token"])).error == "invalid_grant"


async def until_ready(proxy: Proxy, ports: set[int]) -> None:
    """Exactly these take requests."""
    async with asyncio.timeout(30):
        while proxy.ready != ports:
            await asyncio.sleep(0.02)
