"""The example world on PostgreSQL: two `innkeeper serve` behind a load balancer that sends nobody twice to one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from innkeeper.server.cli import dev_setup
from innkeeper.server.cli.dev_file import DevFile
from tests import nodes
from tests.e2e.programs import a_dev_server
from tests.house import House, Standing
from tests.nodes import Node, Site
from tests.postgres import Cluster, Foreign
from tests.proxy import Proxy, a_proxy
from tests.serving import free_socket, port_of

PLACES: Final = ("one node on SQLite", "two nodes on PostgreSQL")
# Within it every node has heard of every change: docs/operate.md promises it.
BOUND_S: Final = 1.0
EVERY_LEGACY_FLOW: Final = {"password": True, "implicit": True, "front_channel_access_tokens": True}


@dataclass(frozen=True)
class TwoNodes:
    """What a `House` stands on."""

    site: Site
    proxy: Proxy
    nodes: tuple[Node, Node]
    world: DevFile

    @property
    def data(self) -> Path:
        return self.site.data

    @property
    def issuer(self) -> str:
        return self.site.issuer

    @property
    def err(self) -> str:
        """The logs of both."""
        return "".join(node.log for node in self.nodes)

    def person(self, username: str) -> dict[str, Any]:
        return next(msgspec.to_builtins(one) for one in self.world.people if one.username == username)

    def app(self, client_id: str) -> dict[str, Any]:
        return next(msgspec.to_builtins(one) for one in self.world.apps if one.client_id == client_id)

    def settle(self) -> None:
        """After a change, as long as a node may take to hear of it."""
        time.sleep(BOUND_S)

    def restart(self, node: Node) -> None:
        """As an operator does it: told to end, and started again once it has gone; then waits until it is used."""
        assert node.stop() == 0, node.log
        node.start()
        self.proxy.wait_until_ready()


@contextmanager
def two_nodes(folder: Path, database_url: str, **settings: Any) -> Generator[TwoNodes]:
    """`settings` as in `nodes.a_site`."""
    listening = free_socket()
    listen = {"trusted_proxies": ["127.0.0.1"], **settings.pop("listen", {})}
    site = nodes.an_empty_site(
        folder, database_url=database_url, port=port_of(listening), listen=listen, **settings
    )
    world = asyncio.run(_inhabited(site))
    pair = site.node(nodes.a_steady_port()), site.node(nodes.a_steady_port())
    with nodes.running(*pair), a_proxy([node.port for node in pair], listening) as proxy:
        proxy.wait_until_ready()
        yield TwoNodes(site, proxy, pair, world)


@contextmanager
def standing_at(place: str, folder: Path, request: Any, *, is_legacy: bool = False) -> Generator[Standing]:
    """At one of `PLACES`. `request` is pytest's: PostgreSQL is started only for those who need it."""
    if place == PLACES[0]:
        with a_dev_server(folder / "data", "--port", "0", *(["--legacy"] if is_legacy else [])) as running:
            yield running
        return
    postgres: Cluster | Foreign = request.getfixturevalue("postgres")
    dsn = asyncio.run(postgres.fresh_database())
    with two_nodes(folder / "data", dsn, legacy=EVERY_LEGACY_FLOW if is_legacy else {}) as pair:
        yield pair


@contextmanager
def a_house_at(place: str, folder: Path, request: Any, *, is_legacy: bool = False) -> Generator[House]:
    """As `standing_at`."""
    with standing_at(place, folder, request, is_legacy=is_legacy) as standing:
        yield House(standing)


async def _inhabited(site: Site) -> DevFile:
    async with site.services() as services:
        return await dev_setup.prepare(services, None)
