"""The primary is lost under load and its synchronous standby takes its place (F11): what was acknowledged is there.

Two nodes share the pair. Apps, people and an administrator go on and ask again, whatever they are answered; in the end
the whole history is judged.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Amount
from tests.faults.failover.pair import ENDS, Pair, vanish, with_ports
from tests.faults.failover.watch import Watch
from tests.faults.judging import violations
from tests.faults.load import Load
from tests.faults.records import Records
from tests.nodes import Site, a_site, a_steady_port, running
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.e2e

LIVES: Final = 8
SUCCESS_WITHIN_S: Final = 5.0
# A slice runs beside other tests, on however few cores there are.
SUCCESS_WITHIN_IN_A_SLICE_S: Final = 20.0


async def test_failovers_under_load_lose_nothing_and_double_nothing(
    tmp_path: Path, pair: Pair, amount: Amount, is_full: bool
) -> None:
    count = amount(full=20, quick=1)
    await pair.complete()
    site = await a_site(tmp_path / "data", database_url=await a_database(pair))
    async with under_load(site) as (load, watches):
        felt = [await fail_over(pair, load, watches, number) for number in range(count)]
    judge(load)
    first, last = [one for one, _ in felt], [other for _, other in felt]
    print(
        f"{count} failovers: every node succeeds again after {statistics.median(first):.2f} s (median), "
        f"{max(first):.2f} s (longest); the last failure began {max(last):.2f} s after the promotion"
    )
    limit_s = SUCCESS_WITHIN_S if is_full else SUCCESS_WITHIN_IN_A_SLICE_S
    assert max(first) < limit_s, first
    assert max(last) < limit_s, last


@pytest.mark.faults("failover")
async def test_a_primary_that_falls_silent_is_left_within_seconds(tmp_path: Path, pair: Pair) -> None:
    """Its machine is gone: no connection is refused and none is broken, they only never answer again."""
    await pair.complete()
    with networks(pair) as (network, dsn):
        site = await a_site(tmp_path / "data", database_url=dsn(await pair.primary.fresh_database()))
        async with under_load(site) as (load, watches):
            felt = [await fall_silent(pair, load, watches, network) for _ in range(5)]
    judge(load)
    print(f"5 primaries fell silent: every node succeeds again after at most {max(felt):.2f} s")
    assert max(felt) < SUCCESS_WITHIN_S, felt


@pytest.mark.faults("failover")
async def test_a_primary_that_is_restarted_is_used_again_by_everybody_within_seconds(
    tmp_path: Path, pair: Pair
) -> None:
    """F10: all succeed again, not only the first."""
    await pair.complete()
    site = await a_site(tmp_path / "data", database_url=await a_database(pair))
    felt = []
    async with under_load(site) as (load, watches):
        for _ in range(10):
            await asyncio.sleep(load.random.uniform(0.3, 1.0))
            felt.append(await felt_since(await pair.restart(), watches))
    judge(load)
    print(
        f"10 restarts: every node succeeds again after at most {max(first for first, _ in felt):.2f} s; "
        f"the last failure began {max(last for _, last in felt):.2f} s after the restart"
    )
    assert max(max(one) for one in felt) < SUCCESS_WITHIN_S, felt


@pytest.mark.faults("failover")
async def test_what_is_lost_when_nobody_waits_for_the_standby_is_noticed(tmp_path: Path, pair: Pair) -> None:
    """The judge is judged: this set-up loses what it has acknowledged."""
    await pair.complete()
    site = await a_site(tmp_path / "data", database_url=await a_database(pair))
    async with under_load(site) as (load, watches):
        await pair.desert()
        # Not merely stopped: what the kernel has received for it, it would still read.
        vanish(pair.standby)
        before = len(load.history.operations)
        async with asyncio.timeout(60):
            while len(load.history.operations) < before + 100:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(vanish, pair.primary)
        await asyncio.to_thread(pair.standby.start)
        await felt_since(await pair.promote(), watches)
    found = violations(load.history)
    print(f"{len(found)} violations where nobody waited, the first:\n{found[0] if found else None}")
    assert found


@contextmanager
def networks(pair: Pair) -> Iterator[tuple[dict[int, TcpProxy], Callable[[str], str]]]:
    """A way to each of the two; and, of the address of a database, the one that leads over both."""
    ports = pair.primary.port, pair.standby.port
    found = {port: TcpProxy(("127.0.0.1", port)) for port in ports}
    try:
        yield found, lambda dsn: with_ports(dsn, [network.port for network in found.values()])
    finally:
        for network in found.values():
            network.close()


async def fall_silent(pair: Pair, load: Load, watches: list[Watch], networks: dict[int, TcpProxy]) -> float:
    """Once. Answers the longest wait for a success after the promotion, in seconds."""
    await pair.complete()
    await asyncio.sleep(load.random.uniform(0.3, 1.0))
    network = networks[pair.primary.port]
    network.swallow()
    # Somebody has to notice before anything is promoted.
    await asyncio.sleep(2.0)
    promoted_ns = await pair.promote()
    await every(watches, lambda watch: watch.success_after_s(promoted_ns) is not None)
    vanish(pair.standby)
    network.cut()
    network.flow()
    return max(watch.success_after_s(promoted_ns) or 0.0 for watch in watches)


async def a_database(pair: Pair) -> str:
    """An empty one, at whichever host takes writes."""
    return pair.dsn(await pair.primary.fresh_database())


async def fail_over(pair: Pair, load: Load, watches: list[Watch], number: int) -> tuple[float, float]:
    """Once, in one of three ways. Answers the longest wait for a success, and for the last failure, in seconds."""
    await pair.complete()
    # Anywhere in whatever the nodes are doing then.
    await asyncio.sleep(load.random.uniform(0.3, 1.0))
    return await felt_since(await pair.fail_over(ENDS[number % len(ENDS)]), watches)


async def felt_since(since_ns: int, watches: list[Watch]) -> tuple[float, float]:
    """Seconds until every node had a success, and until the last request that failed had begun."""
    await every(watches, lambda watch: watch.success_after_s(since_ns) is not None)
    # Long enough that failures would be seen where there should be none any more.
    await asyncio.sleep(1.0)
    until_ns = time.monotonic_ns()
    first = [watch.success_after_s(since_ns) or 0.0 for watch in watches]
    last = [watch.failures_until_s(since_ns, until_ns) for watch in watches]
    return max(first), max(last)


async def every(watches: list[Watch], is_so: Callable[[Watch], bool]) -> None:
    """Waits until it is so at every node."""
    async with asyncio.timeout(60):
        while not all(is_so(watch) for watch in watches):
            await asyncio.sleep(0.005)


@asynccontextmanager
async def under_load(site: Site) -> AsyncIterator[tuple[Load, list[Watch]]]:
    """Two nodes with people, apps, an administrator, and who asks for the keys; then everything is judged."""
    nodes = site.node(), site.node(a_steady_port())
    with running(*nodes):
        async with site.services() as services, AsyncExitStack() as stack:
            watches = [Watch(node.port, host=site.host) for node in nodes]
            for watch in watches:
                await stack.enter_async_context(watch)
            load = Load(site, *watches)
            records = Records(load, services)
            await load.start(lives=LIVES, more=(records.sign_in, records.make_app, load.read_documents))
            yield load, watches
            await load.finish()
            await records.read_all()
        print(*(line for watch in watches for line in watch.lost), sep="\n")
    unhandled = [line for node in nodes for line in node.log.splitlines() if "unhandled in" in line]
    assert not unhandled, unhandled[0]


def judge(load: Load) -> None:
    """Fails with the first violation, and with every answer that no server may give."""
    print(
        f"{len(load.history.operations)} operations of {len(load.history.by_key())} keys, "
        f"{load.unanswered} unanswered, {load.documents} documents, {dict(load.answers)}"
    )
    found = violations(load.history)
    assert not found, f"{len(found)} violations, the first:\n{found[0]}"
    assert not load.faults, load.faults[:3]
