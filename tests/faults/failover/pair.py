"""A primary and its synchronous standby: nothing is acknowledged before both have it on disk.

pair = await a_pair(folder)
pair.fail_over("crash")                           # the primary dies, its standby is promoted
await pair.complete()                             # a new standby where the old primary was
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg

from tests.nodes import a_steady_port
from tests.postgres import FAST, Cluster, a_folder

End = Literal["crash", "kill", "stop"]
ENDS: Final[tuple[End, ...]] = ("crash", "kill", "stop")
_PATIENCE_S: Final = 60.0


class Pair:
    """Two clusters that take turns. Made by `a_pair`."""

    def __init__(self, folder: Path) -> None:
        self._clusters = [Cluster(folder / name, options=FAST, port=a_steady_port()) for name in "ab"]

    @property
    def primary(self) -> Cluster:
        """Takes writes, or did when it still lived."""
        return self._clusters[0]

    @property
    def standby(self) -> Cluster:
        """Has everything that was acknowledged."""
        return self._clusters[1]

    def dsn(self, database: str) -> str:
        """Both hosts, always in the same order: who asks finds the one that takes writes."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in sorted(cluster.port for cluster in self._clusters))
        return f"postgresql://postgres@{hosts}/{database}"

    async def create(self) -> None:
        """From nothing."""
        await asyncio.to_thread(self.primary.create)
        await asyncio.to_thread(self.primary.start)
        await self.complete()

    async def complete(self) -> None:
        """Copies the primary, and from then on it answers no COMMIT that the copy has not got."""
        await asyncio.to_thread(follow, self.standby, self.primary)
        async with connected(self.primary) as connection:
            await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await connection.execute("SELECT pg_reload_conf()")
            await until(connection, "SELECT sync_state = 'sync' FROM pg_stat_replication")
            # Backends read the new setting between two statements of their own: this one has.
            await until(connection, "SELECT current_setting('synchronous_standby_names') = '*'")

    async def fail_over(self, end: End) -> int:
        """The primary ends, the standby takes its place. Answers when it was told to, in monotonic nanoseconds."""
        await asyncio.to_thread(END[end], self.primary)
        self._clusters.reverse()
        promoted_ns = time.monotonic_ns()
        await self.promote()
        return promoted_ns

    async def promote(self) -> None:
        """The primary by name becomes one in fact."""
        async with connected(self.primary) as connection:
            assert await connection.fetchval("SELECT pg_promote()")

    def stop(self) -> None:
        """Whatever still runs."""
        for cluster in self._clusters:
            vanish(cluster)


@asynccontextmanager
async def a_pair() -> AsyncIterator[Pair]:
    """Running, and gone afterwards."""
    folder = a_folder()
    pair = Pair(folder)
    try:
        await pair.create()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(folder, ignore_errors=True)


def follow(copy: Cluster, primary: Cluster) -> None:
    """`copy` becomes a standby of `primary`, whatever it was before."""
    shutil.rmtree(copy.folder, ignore_errors=True)
    copy.make_folder()
    words = ("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
    copy.run("pg_basebackup", "-D", str(copy.data), "-d", primary.dsn(), *words)
    # It was copied with the rest, and would make the copy wait for itself once it is promoted.
    settings = copy.data / "postgresql.auto.conf"
    kept = [line for line in settings.read_text().splitlines() if "synchronous_standby_names" not in line]
    settings.write_text("\n".join(kept) + "\n")
    copy.start()


def vanish(cluster: Cluster) -> None:
    """`kill -9` of every process of it at once, as when its machine is gone."""
    to_all(cluster, signal.SIGKILL)
    cluster.wait()


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """Its connections stay open, and nothing comes of them."""
    to_all(cluster, signal.SIGSTOP)
    try:
        yield
    finally:
        to_all(cluster, signal.SIGCONT)


def to_all(cluster: Cluster, number: signal.Signals) -> None:
    """A signal to every process of it."""
    if cluster.pid is None:
        return
    for pid in [cluster.pid, *children(cluster.pid)]:
        # Some end with the first one, and by themselves.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def children(pid: int) -> Iterable[int]:
    """Its backends, as the kernel lists them."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


END: Final = {
    # SIGQUIT: everybody is told to go at once, nothing is written any more.
    "crash": Cluster.kill,
    "kill": vanish,
    # A planned one: transactions under way are rolled back, what was committed is sent on.
    "stop": Cluster.stop,
}


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[asyncpg.Connection[Any]]:
    """As an administrator."""
    connection = await asyncpg.connect(cluster.dsn())
    try:
        yield connection
    finally:
        connection.terminate()


async def until(connection: asyncpg.Connection[Any], question: str) -> None:
    """Asks until the answer is yes."""
    deadline = time.monotonic() + _PATIENCE_S
    while not await connection.fetchval(question):
        assert time.monotonic() < deadline, f"never true: {question}"
        await asyncio.sleep(0.01)
