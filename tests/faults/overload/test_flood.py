"""Three times more than a node can do: it does what it can, and says 503 to the rest at once."""

from __future__ import annotations

import asyncio
import base64
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import Amount
from tests.faults.overload.flood import Flood, Seen
from tests.nodes import API, Node, Site, a_site, running
from tests.wire import Wire

pytestmark = pytest.mark.anyio
TIMES = 3
CLIENTS = 1_500
# Enough for a flood of a second or two to go beyond it on any machine.
UNDER_WAY = 128
# On a machine that others use too: what matters is that neither collapses.
LEAST_GOODPUT = 0.1
SLOWEST_GOOD_S = 10.0


def a_token_request(site: Site) -> bytes:
    body = urlencode({"grant_type": "client_credentials", "audience": API}).encode()
    credentials = base64.b64encode(f"cron:{site.secrets['cron']}".encode())
    head = (
        b"POST /oauth/token HTTP/1.1\r\nhost: %b\r\nauthorization: Basic %b\r\n"
        b"content-type: application/x-www-form-urlencoded\r\ncontent-length: %d\r\n\r\n"
    )
    return head % (site.host.encode(), credentials, len(body)) + body


@asynccontextmanager
async def asked_while(node: Node) -> AsyncIterator[Counter[tuple[str, int]]]:
    """What load balancers and APIs ask all the time, and what they are told."""
    statuses: Counter[tuple[str, int]] = Counter()
    is_over = asyncio.Event()

    async def ask() -> None:
        async with Wire(node.port, host=node.site.host) as wire:
            while not is_over.is_set():
                for path in ("/readyz", "/healthz", "/.well-known/jwks.json"):
                    statuses[path, (await wire.get(path)).status] += 1
                await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask())
    try:
        yield statuses
    finally:
        is_over.set()
        await asking


def cpu_seconds(node: Node) -> float:
    """Of the server alone: other programs hardly change it."""
    assert node.process is not None
    fields = Path(f"/proc/{node.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def flooded(node: Node, seconds: float) -> tuple[Seen, Seen, Counter[tuple[str, int]]]:
    """At its peak, and at three times the peak."""
    flood = Flood(node.port, a_token_request(node.site), CLIENTS)
    try:
        idle_s = cpu_seconds(node)
        peak = await flood.closed_loop(32, seconds)
        peak.server_cpu_s = cpu_seconds(node) - idle_s
        async with asked_while(node) as meanwhile:
            beyond = await flood.open_loop(TIMES * peak.goodput, seconds)
        beyond.server_cpu_s = cpu_seconds(node) - idle_s - peak.server_cpu_s
        return peak, beyond, meanwhile
    finally:
        flood.close()


async def calm(node: Node) -> Seen:
    """A few clients."""
    flood = Flood(node.port, a_token_request(node.site), 4)
    try:
        return await flood.closed_loop(4, 0.5)
    finally:
        flood.close()


async def test_three_times_its_capacity_gets_good_answers_or_503_and_health_is_answered(
    tmp_path: Path, amount: Amount
) -> None:
    site = await a_site(tmp_path / "data", listen={"requests_under_way": UNDER_WAY})
    with running(site.node()) as [node]:
        peak, beyond, meanwhile = await flooded(node, amount(full=20, quick=2))
        after = await calm(node)
        assert set(peak.statuses) == {200}
        assert set(beyond.statuses) <= {200, 503} and beyond.statuses[503] > 0
        assert beyond.broken == 0
        assert beyond.goodput > LEAST_GOODPUT * peak.goodput
        assert beyond.latency_s(0.99) < SLOWEST_GOOD_S
        assert {status for _, status in meanwhile} == {200} and len(meanwhile) == 3, meanwhile
        assert set(after.statuses) == {200}, "as if nothing had been"
        assert "requests turned away" in node.log and '"level":"error"' not in node.log
    useful = beyond.statuses[200] * peak.server_cpu_s / peak.statuses[200] / beyond.server_cpu_s
    print(
        f"overload: peak {peak.goodput:.0f}/s (p99 {peak.latency_s(0.99) * 1e3:.0f} ms), beyond it"
        f" {beyond.goodput:.0f}/s (p99 {beyond.latency_s(0.99) * 1e3:.0f} ms), 503 {beyond.statuses[503]},"
        f" not even sent {beyond.unsent}; {useful:.0%} of the server's CPU for good answers"
    )
