"""A large database is backed up, checked, brought back and moved: row by row, in the room of a little one."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from innkeeper.server import app
from innkeeper.server.flows.transfer.backup import back_up
from innkeeper.server.flows.transfer.restore import restore, verify
from tests.conftest import Amount
from tests.contract.transfer.filling import NOW, a_full_database, nothing
from tests.contract.transfer.places import Place, a_file, an_empty_place, moved
from tests.postgres import Cluster, Foreign

ROOM_MIB = 250
GRANTS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
INSERT INTO grants (grant_id, client_id, user_id, api, expires_at, record)
SELECT lower(hex(randomblob(16))), 'app-' || (i % 100), 'sub-' || (i % 100000), 'https://api.example.test',
       1900000000000000 + i, CAST(hex(randomblob(200)) AS BLOB) FROM n
"""
FAMILIES = """
INSERT INTO refresh_families (family_key, grant_id, client_id, user_id, generation, is_rotating, idle_expires_at,
                              absolute_expires_at, overlaps, record)
SELECT randomblob(37), grant_id, client_id, user_id, 1, 1, expires_at, expires_at, 0, CAST(hex(randomblob(150)) AS BLOB)
FROM grants
"""


class Figures:
    """Seconds and peak memory of each step, for docs/reliability.md: shown with `-s`."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.grown_mib = 0.0

    @asynccontextmanager
    async def of(self, what: str) -> AsyncIterator[None]:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
        before, began, cpu = peak_mib(), time.monotonic(), time.process_time()
        yield
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        self.grown_mib = max(self.grown_mib, peak_mib() - before)
        each = cpu / self.rows * 1e6
        sys.stdout.write(f"{what}: {self.rows:,} rows in {took:.1f} s, {each:.1f} us of our own CPU each\n")


def peak_mib() -> float:
    """Of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def fill(database: Path, grants: int) -> int:
    connection = apsw.Connection(str(database))
    connection.pragma("synchronous", "OFF")
    connection.pragma("cache_size", -256 * 1024)
    connection.execute(GRANTS, (grants,))
    connection.execute(FAMILIES)
    connection.close()
    return grants * 2


async def test_a_large_database_is_carried_in_a_small_room(
    tmp_path: Path, postgres: Cluster | Foreign, amount: Amount
) -> None:
    place = a_file(tmp_path / "here")
    await a_full_database(place.path)
    figures = Figures(fill(place.path, amount(full=250_000, quick=5_000)))
    file = tmp_path / "backup"
    async with figures.of("backup of SQLite"), place.snapshot() as source:
        target = await app.open_backup(file)
        await back_up(source, target, now=NOW, transfer="ab12", tell=nothing)
        await target.close()
    async with figures.of("restore --verify"), Place(file).snapshot() as source:
        backup = await verify(source, nothing)
    database = await an_empty_place("postgresql", tmp_path, postgres)
    async with figures.of("migrate-db to PostgreSQL"):
        carried = await moved(place, database)
    assert carried > figures.rows
    async with figures.of("backup of PostgreSQL"), database.snapshot() as source:
        target = await app.open_backup(tmp_path / "backup of PostgreSQL")
        await back_up(source, target, now=NOW, transfer="cd34", tell=nothing)
        await target.close()
    again = a_file(tmp_path / "again")
    async with figures.of("restore into SQLite"), Place(file).snapshot() as source, again.alone() as there:
        await restore(source, there, backup, may_replace=False, now=NOW, tell=nothing)
    assert figures.grown_mib < ROOM_MIB
    sizes = {name.name: name.stat().st_size / 2**20 for name in (place.path, file)}
    sys.stdout.write(f"{sizes}, {figures.grown_mib:.0f} MiB of memory more\n")


@pytest.fixture(autouse=True)
def on_linux() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells the peak of a process' memory from a given instant on")
