"""Where a database is: a file, or a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from innkeeper.server import app
from innkeeper.server.config import Database
from innkeeper.server.flows.transfer.move import move
from innkeeper.server.flows.transfer.owner import owner_of
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.storage.transfer.records import Row
from tests.contract.transfer.filling import NOW, a_full_database, content, nothing
from tests.postgres import Cluster, Foreign

SQLITE: Final = Database()


@dataclass(frozen=True)
class Place:
    """`path` counts where no database is named."""

    path: Path
    database: Database = SQLITE

    def snapshot(self) -> AbstractAsyncContextManager[End]:
        return self._opened(is_alone=False)

    def alone(self) -> AbstractAsyncContextManager[End]:
        return self._opened(is_alone=True)

    @asynccontextmanager
    async def _opened(self, *, is_alone: bool) -> AsyncIterator[End]:
        if is_alone:
            end = await app.open_alone(self.path, self.database, may_create=True)
        else:
            end = await app.open_snapshot(self.path, self.database)
        try:
            yield end
        finally:
            await end.close()

    async def store(self) -> Store:
        return await app.open_store(self.path, self.database, role="serving")

    async def content(self) -> dict[str, list[Row]]:
        async with self.snapshot() as end:
            return await content(end)

    async def is_served(self) -> bool:
        """A server would start here and find somebody's data."""
        if self.database.url is None and not self.path.exists():
            return False
        async with self.snapshot() as end:
            return (
                await end.applied() is not None
                and await end.mark() is None
                and await owner_of(end) is not None
            )


def a_file(folder: Path) -> Place:
    return Place(folder / "innkeeper.sqlite3")


async def an_empty_place(kind: str, folder: Path, cluster: Cluster | Foreign) -> Place:
    """Nothing is there yet."""
    if kind == "sqlite":
        return a_file(folder)
    return Place(folder / "none", Database(url=await cluster.fresh_database()))


async def a_full_place(kind: str, folder: Path, cluster: Cluster | Foreign) -> Place:
    """With rows in every table."""
    file = a_file(folder)
    await a_full_database(file.path)
    if kind == "sqlite":
        return file
    place = await an_empty_place(kind, folder, cluster)
    await moved(file, place)
    return place


async def moved(source: Place, target: Place, *, transfer: str = "ab12", may_replace: bool = False) -> int:
    """How many rows."""
    async with source.alone() as here, target.alone() as there:
        counted = await move(here, there, now=NOW, transfer=transfer, may_replace=may_replace, tell=nothing)
    return counted.rows
