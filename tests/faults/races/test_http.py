"""Races over HTTP: two nodes on one PostgreSQL database, behind a load balancer that sends nobody twice to one."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from innkeeper.server.flows.services import Services
from tests import nodes
from tests.conftest import Amount
from tests.faults.races.kinds import BY_NAME, TOKEN_KINDS
from tests.faults.races.rivals import UNKNOWN, Ticket, TokenKind, TokenRequest, told_of
from tests.faults.races.world import prepare
from tests.postgres import Cluster, Foreign
from tests.proxy import Proxy, a_proxy
from tests.serving import free_socket, port_of

pytestmark = pytest.mark.anyio
AT_ONCE: Final = 10
_addresses: Final = itertools.count(1)


@dataclass(frozen=True)
class Town:
    """A database, two nodes on it, and the way to them."""

    services: Services
    proxy: Proxy

    async def trial(self, kind: TokenKind, ticket: Ticket) -> Counter[str]:
        """Two requests, each on a connection of its own, sent together; what they were told."""
        callers = [await Caller.to(self.proxy.port) for _ in range(2)]
        for caller in callers:
            caller.send(kind.request(ticket))
        return Counter([kind.heard(await caller.told()) for caller in callers])


@dataclass(frozen=True)
class Caller:
    """From an address of its own: failures of one must not slow the others down."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    port: int

    @classmethod
    async def to(cls, port: int) -> Caller:
        number = next(_addresses)
        mine = f"127.{1 + number // 62_500 % 200}.{number // 250 % 250}.{1 + number % 250}"
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(mine, 0))
        return cls(reader, writer, port)

    def send(self, request: TokenRequest) -> None:
        body = urlencode(request.form).encode()
        lines = [
            "POST /oauth/token HTTP/1.1",
            f"Host: localhost:{self.port}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(f"Authorization: {value}" for value in request.authorization),
        ]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def told(self) -> str:
        """`won`, `refused`, or what else was answered."""
        head, _, body = (await self.reader.read()).partition(b"\r\n\r\n")
        self.writer.close()
        status = int(head.split(b" ", 2)[1])
        if status in (502, 503, 504):
            return UNKNOWN
        answer = json.loads(body)
        if status == 200:
            return told_of(answer.get("refresh_token"))
        is_refused = answer["error"] in ("invalid_grant", "invalid_client")
        return "refused" if is_refused else f"{status} {answer['error']}"


@pytest.fixture(scope="module")
async def town(postgres: Cluster | Foreign, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    folder: Path = tmp_path_factory.mktemp("town")
    listening = free_socket()
    dsn = await postgres.fresh_database()
    listen = {"trusted_proxies": ["127.0.0.1"]}
    site = nodes.an_empty_site(folder / "data", database_url=dsn, port=port_of(listening), listen=listen)
    pair = site.node(nodes.a_steady_port()), site.node(nodes.a_steady_port())
    async with site.services() as services:
        await prepare(services.store, services.at_rest)
        await services.registry.refresh()
        with nodes.running(*pair), a_proxy([node.port for node in pair], listening) as proxy:
            proxy.wait_until_ready()
            yield Town(services, proxy)


@pytest.mark.parametrize("name", [kind.name for kind in TOKEN_KINDS])
async def test_two_nodes_have_one_winner_between_them(town: Town, name: str, amount: Amount) -> None:
    kind, trials, wrong = BY_NAME[name], amount(full=500, quick=20), []
    unknown = 0
    assert isinstance(kind, TokenKind)
    before = Counter(town.proxy.answers)
    for _ in range(trials // AT_ONCE):
        tickets = await kind.make(AT_ONCE, town.services)
        ended = await asyncio.gather(*(town.trial(kind, ticket) for ticket in tickets))
        for ticket, told in zip(tickets, ended, strict=True):
            is_well = UNKNOWN in told or await kind.is_well(ticket, 2, town.services)
            is_good = kind.may_end(told) and is_well
            unknown += UNKNOWN in told
            wrong += [] if is_good else [told]
    assert wrong == []
    assert unknown <= trials // 10
    answered = town.proxy.answers - before
    assert answered.total() == 2 * trials
    assert len({port for port, _ in answered}) == 2, "one of the nodes did everything"
