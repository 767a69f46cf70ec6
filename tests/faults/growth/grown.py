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
from tests.faults.growth.filling import count_sqlite, fill_sqlite
from tests.faults.growth.loading import CLIENT, Refreshing
from tests.nodes import API, Site, a_site, running

# What a family takes on the disk with its grant, its indices and its share of the people, and half of that to spare.
BYTES_PER_FAMILY: Final = 2600
ENDED: Final = "SELECT count(*) FROM refresh_families WHERE family_key < ?1"


@dataclass(frozen=True, kw_only=True)
class Grown:
    """`count(SQL, values)` asks its store beside the server."""

    side: Refreshing
    switch: Path
    count: Callable[..., int]

    @property
    def left(self) -> int:
        """Families of the crowd that are over and still there."""
        return self.count(ENDED, (self.side.crowd.first_living,))

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


def grown_sqlite(folder: Path, *, people: int, families: int, ended: int = 0, codes: int = 0) -> Grown:
    """Skips the test where the disk has no room for it."""
    folder.mkdir(parents=True)
    if shutil.disk_usage(folder).free < families * BYTES_PER_FAMILY:
        pytest.skip(f"{families} families need {families * BYTES_PER_FAMILY / 1e9:.0f} GB of free disk")
    site, seals = asyncio.run(_old_site(folder / "data"))
    crowd = Crowd(
        people=people, families=families, ended=ended, codes=codes, client_id=ClientId(CLIENT), api=API
    )
    database = site.folder.database
    fill_sqlite(database, crowd, seals)
    return _grown(site, crowd, seals, partial(count_sqlite, database))


async def _old_site(data: Path) -> tuple[Site, Seals]:
    """Its API is older than every grant of the crowd."""
    site = await a_site(data)
    async with site.services() as services:
        api = await services.store.apis.get(API)
        assert api is not None
        await services.store.apis.replace(replace(api, created_at=None), events=())
        return site, services.seals


def _grown(site: Site, crowd: Crowd, seals: Seals, count: Callable[..., int]) -> Grown:
    switch = site.data / "purge"
    node = site.node()
    node.environment[serving.VARIABLE] = str(switch)
    node.command = (sys.executable, "-P", serving.__file__)
    return Grown(side=Refreshing(site, node, crowd, seals), switch=switch, count=count)
