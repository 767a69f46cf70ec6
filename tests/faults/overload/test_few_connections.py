"""Five hundred clients and four connections to PostgreSQL: everybody is answered, and nobody waits long (F13)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.caller import App, Browser
from tests.conftest import Amount
from tests.faults.overload.flood import Flood
from tests.faults.overload.test_flood import asked_while
from tests.nodes import a_site, running
from tests.postgres import Cluster, Foreign
from tests.wire import Wire

pytestmark = pytest.mark.anyio
CLIENTS = 500
CONNECTIONS = 4
LONGEST_S = 10.0


async def test_five_hundred_clients_on_four_connections(
    postgres: Cluster | Foreign, tmp_path: Path, amount: Amount
) -> None:
    database: dict[str, object] = {"connections": CONNECTIONS}
    site = await a_site(tmp_path / "data", database_url=await postgres.fresh_database(), database=database)
    with running(site.node()) as [node]:
        async with Wire(node.port, host=site.host) as wire:
            tokens = await App(site, wire).tokens(Browser(site, wire))
        request = b"GET /userinfo HTTP/1.1\r\nhost: %b\r\nauthorization: Bearer %b\r\n\r\n" % (
            site.host.encode(),
            tokens["access_token"].encode(),
        )
        flood = Flood(node.port, request, CLIENTS)
        try:
            async with asked_while(node) as meanwhile:
                seen = await flood.closed_loop(CLIENTS, amount(full=20, quick=2))
        finally:
            flood.close()
        assert set(seen.statuses) <= {200, 503} and seen.statuses[200] > CLIENTS
        assert seen.broken == 0 and seen.latency_s(0.99) < LONGEST_S
        assert {status for _, status in meanwhile} == {200} and len(meanwhile) == 3, meanwhile
        assert '"level":"error"' not in node.log
    print(
        f"{CLIENTS} clients on {CONNECTIONS} connections: {seen.goodput:.0f}/s, median"
        f" {seen.latency_s(0.5) * 1e3:.0f} ms, p99 {seen.latency_s(0.99) * 1e3:.0f} ms, {dict(seen.statuses)}"
    )
