"""A site whose store has grown, on either store, and its one node."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.identifiers import ClientId
from tests.faults.growth import serving
from tests.faults.growth.crowd import Crowd
from tests.faults.growth.filling import count_postgres, count_sqlite, fill_postgres, fill_sqlite
from tests.faults.growth.loading import CLIENT, Refreshing
from tests.nodes import API, Site, a_site, running
from tests.postgres import Cluster, Foreign

# What a family takes on the disk with its grant, its indices and its share of the people, and half of that to spare.
BYTES_PER_FAMILY: Final = 2600
ENDED: Final = "SELECT count(*) FROM refresh_families WHERE family_key < ?1"


@dataclass(frozen=True, kw_only=True)
class Grown:
    """`count(SQL, *values)` asks its store beside the server."""

    side: Refreshing
    switch: Path
    count: Callable[..., int]

    @property
    def left(self) -> int:
        """Families of the crowd that are over and still there."""
        return self.count(ENDED, self.side.crowd.first_living)

    @contextmanager
    def served(self) -> Iterator[Refreshing]:
        """Its purge stands still until `purging`."""
        with running(self.side.node):
            self.side.pin()
            yield self.side

    @contextmanager
    def purging(self) -> Iterator[None]:
        """Meanwhile the purge works."""
        self.switch.touch()
        try:
            yield
        finally:
            self.switch.unlink()


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a crowd."""

    people: int
    families: int
    ended: int = 0
    codes: int = 0

    def crowd(self) -> Crowd:
        return Crowd(
            people=self.people, families=self.families, ended=self.ended, codes=self.codes,
            client_id=ClientId(CLIENT), api=API,
        )  # fmt: skip


def grown_sqlite(folder: Path, sizes: Sizes) -> Grown:
    """Skips the test where the disk has no room for it."""
    _require_room(folder.parent, sizes)
    site, seals = asyncio.run(_old_site(folder))
    crowd, database = sizes.crowd(), site.folder.database
    fill_sqlite(database, crowd, seals)
    return _grown(Refreshing(site, site.node(), crowd, seals), partial(count_sqlite, database))


def grown_postgres(folder: Path, sizes: Sizes, cluster: Cluster | Foreign) -> Grown:
    """In a database of its own. The CPU time of somebody else's cluster cannot be read."""
    _require_room(folder.parent, sizes)
    dsn = asyncio.run(cluster.fresh_database())
    site, seals = asyncio.run(_old_site(folder, dsn))
    crowd = sizes.crowd()
    asyncio.run(fill_postgres(dsn, crowd, seals))

    def count(sql: str, *values: bytes) -> int:
        return asyncio.run(count_postgres(dsn, sql, *values))

    pid = cluster.pid if isinstance(cluster, Cluster) else None
    return _grown(Refreshing(site, site.node(), crowd, seals, pid), count)


def _require_room(folder: Path, sizes: Sizes) -> None:
    needed = sizes.families * BYTES_PER_FAMILY
    if shutil.disk_usage(folder).free < needed:
        pytest.skip(f"{sizes.families} families need {needed / 1e9:.0f} GB of free disk")


async def _old_site(data: Path, database_url: str | None = None) -> tuple[Site, Seals]:
    """Its API is older than every grant of the crowd."""
    site = await a_site(data, database_url=database_url)
    async with site.services() as services:
        api = await services.store.apis.get(API)
        assert api is not None
        await services.store.apis.replace(replace(api, created_at=None), events=())
        return site, services.seals


def _grown(side: Refreshing, count: Callable[..., int]) -> Grown:
    switch = side.site.data / "purge"
    side.node.environment[serving.VARIABLE] = str(switch)
    side.node.command = (sys.executable, "-P", serving.__file__)
    return Grown(side=side, switch=switch, count=count)
