"""A new signing key every five seconds, and every token is good wherever it is shown (F19)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from innkeeper.jose import base64url
from innkeeper.oauth.errors import OAuthError
from innkeeper.resource_server import Guard
from innkeeper.resource_server.fetched_keys import COOLDOWN
from innkeeper.server import app
from innkeeper.server.config import Lifetimes, Settings
from innkeeper.server.flows import rotate_keys
from innkeeper.server.flows.services import Services
from innkeeper.server.jobs.refresh_registry import refresh_registry
from innkeeper.server.jobs.rotate_keys import rotate_keys as run_job
from tests.caller import App
from tests.conftest import Amount
from tests.nodes import API, Site, a_site, a_steady_port, running
from tests.postgres import Cluster, Foreign
from tests.proxy import a_proxy
from tests.serving import free_socket, port_of
from tests.wire import Wire
from tests.world import ISSUER, MASTER, TIMESHEETS, World, a_world, basic

EACH_S = 5
# Longer than a guard waits between two questions for keys, and than a node takes to hear of a change.
AHEAD_S = 40
LIFETIMES = Lifetimes(signing_key_s=EACH_S, signing_key_published_ahead_s=AHEAD_S)


def test_keys_are_published_for_longer_than_a_guard_waits() -> None:
    assert timedelta(seconds=AHEAD_S) > COOLDOWN


# ------------------------------------------------------------ second by second, with a clock that a test moves


class Nodes:
    """Several nodes on one store, behind a balancer that sends nobody twice to one."""

    def __init__(self, world: World, services: Sequence[Services]) -> None:
        self.services = services
        self._asgi = [app.create_app(one) for one in services]
        self._turn = 0
        self.world = world

    async def ask(self, method: str, url: str, **words: Any) -> httpx2.Response:
        self._turn += 1
        node = self._asgi[self._turn % len(self._asgi)]
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=node), base_url=ISSUER) as client:
            return await client.request(method, url, **words)

    async def fetch(self, url: str) -> bytes:
        """What the guard reads; an error is one, as over the network."""
        return (await self.ask("GET", url)).raise_for_status().content

    async def token(self) -> str:
        form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
        answer = await self.ask("POST", "/oauth/token", data=form, headers=basic("cron"))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def guard(self) -> Guard:
        return Guard(issuer=ISSUER, audience=TIMESHEETS, fetch=self.fetch, clock=self.world.clock.now)


async def two_nodes() -> Nodes:
    world = await a_world(lifetimes=LIFETIMES)
    settings = Settings(issuer=ISSUER, lifetimes=LIFETIMES)
    other = await app.open_services(
        settings, world.services.store, MASTER, clock=world.clock, events=world.heard
    )
    return Nodes(world, (world.services, other))


def kid_of(token: str) -> str:
    return str(msgspec.json.decode(base64url.decode(token.partition(".")[0]))["kid"])


async def refused(guard: Guard, token: str) -> str | None:
    try:
        await guard.check([f"Bearer {token}"])
    except OAuthError as error:
        return str(error)
    return None


async def test_no_guard_meets_a_key_that_it_cannot_know(
    amount: Amount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RSA keys take a tenth of a second each; those of ES256 follow the same schedule."""
    monkeypatch.setattr(rotate_keys, "SIGNING_ALGORITHMS", ("ES256",))
    nodes = await two_nodes()
    old, younger = nodes.guard(), nodes.guard()
    given: deque[tuple[datetime, str]] = deque()
    kids: Counter[str] = Counter()
    for second in range(amount(full=380, quick=90)):
        nodes.world.clock.advance(seconds=1)
        if second % EACH_S == 0:
            await run_job(nodes.services[0])
        if second % 60 == 7:
            younger = nodes.guard()
        # Before they hear of it: a node may be as much as a second behind.
        for token in [await nodes.token() for _ in nodes.services]:
            given.append((nodes.world.clock.now(), token))
            kids[kid_of(token)] += 1
            for guard in (old, younger):
                assert await refused(guard, token) is None, second
        while given[0][0] < nodes.world.clock.now() - timedelta(minutes=4):
            given.popleft()
        for _, token in (given[0], given[len(given) // 2]):
            assert await refused(younger, token) is None, second
        for services in nodes.services:
            await refresh_registry(services)
    assert len(kids) >= (second - AHEAD_S) // EACH_S
    assert max(list(kids.values())[1:]) <= 2 * (EACH_S + 1)


async def test_a_key_that_signs_as_soon_as_it_is_published_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the test above could not fail."""
    monkeypatch.setattr(rotate_keys, "SIGNING_ALGORITHMS", ("ES256",))
    nodes = await two_nodes()
    guard = nodes.guard()
    outcomes = []
    for _ in range(6):
        nodes.world.clock.advance(seconds=EACH_S)
        for _ in range(2):  # the one that waits, and then one that nobody can have seen
            await rotate_keys.rotate_now(
                nodes.world.services.store, nodes.world.services.at_rest, nodes.world.clock,
                alg="ES256", lifetimes=LIFETIMES,
            )  # fmt: skip
        for services in nodes.services:
            await refresh_registry(services)
        outcomes.append(await refused(guard, await nodes.token()))
    assert any(outcome is not None for outcome in outcomes), outcomes


# ------------------------------------------------------------ real nodes, real time


class Asking:
    """Machines that fetch tokens and show them at an API and to another node, without a pause."""

    def __init__(self, site: Site, wires: Sequence[Wire]) -> None:
        self.site = site
        self.wires = wires
        self.guard = Guard(issuer=site.issuer, audience=API)
        self.kids: Counter[str] = Counter()
        self.failures: list[str] = []
        self.shown = 0
        self._old: deque[str] = deque(maxlen=400)

    async def ask_until(self, deadline: float) -> None:
        turn = 0
        while time.monotonic() < deadline:
            turn += 1
            answer = await App(self.site, self.wires[turn % len(self.wires)], "cron").machine_token()
            if answer.status != 200:
                self.failures.append(f"{answer.status} {answer.body!r}")
                continue
            token = answer.json["access_token"]
            self.kids[kid_of(token)] += 1
            self._old.append(token)
            other = self.wires[(turn + 1) % len(self.wires)]
            for shown in (token, self._old[0]):
                await self.show(shown, other)

    async def show(self, token: str, wire: Wire) -> None:
        self.shown += 1
        if (why := await refused(self.guard, token)) is not None:
            self.failures.append(f"guard: {why}")
        answer = await App(self.site, wire, "cron").introspect(token)
        if answer.status != 200 or not answer.json["active"]:
            self.failures.append(f"introspection: {answer.status} {answer.body!r}")


async def kept_asking(site: Site, ports: Sequence[int], seconds: float) -> Asking:
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(port, host=site.host)) for port in ports]
        asking = Asking(site, wires)
        await asyncio.gather(*(asking.ask_until(time.monotonic() + seconds) for _ in range(4)))
        await asking.guard.aclose()
    return asking


@pytest.mark.faults("clock")
@pytest.mark.e2e
@pytest.mark.parametrize("place", ["sqlite", "postgresql"])
async def test_a_new_key_every_five_seconds_under_load(
    place: str, tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    seconds = 150
    lifetimes = {"signing_key_s": EACH_S, "signing_key_published_ahead_s": AHEAD_S}
    listening = free_socket()
    with ExitStack() as stack:
        if place == "sqlite":
            listening.close()
            site = await a_site(tmp_path / "data", lifetimes=lifetimes)
            nodes = [site.node()]
        else:
            dsn, port = await postgres.fresh_database(), port_of(listening)
            site = await a_site(tmp_path / "data", database_url=dsn, port=port, lifetimes=lifetimes)
            nodes = [site.node(a_steady_port()) for _ in range(2)]
        stack.enter_context(running(*nodes))
        if place == "postgresql":
            proxy = stack.enter_context(a_proxy([node.port for node in nodes], listening))
            await asyncio.to_thread(proxy.wait_until_ready)
        asking = await kept_asking(site, [node.port for node in nodes], seconds)
    told = f"{place}: {asking.shown} tokens shown, {len(asking.kids)} keys, {len(asking.failures)} failures"
    print(told)
    assert asking.failures == [], told
    assert len(asking.kids) >= (seconds - AHEAD_S) / EACH_S / 1.5, told
