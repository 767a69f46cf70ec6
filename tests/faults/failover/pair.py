"""A primary and its synchronous standby: nothing is acknowledged before both have it on disk.

pair.primary, pair.standby                        # two `Cluster`s; which is which changes
await pair.fail_over("crash")                     # the primary dies, its standby is promoted
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
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.nodes import a_steady_port
from tests.postgres import FAST, Cluster, a_folder

End = Literal["crash", "kill", "stop"]
ENDS: Final[tuple[End, ...]] = ("crash", "kill", "stop")
# A standby looks for its primary again after five seconds, if nobody says otherwise; until then nothing is committed.
OPTIONS: Final = (*FAST, "wal_retrieve_retry_interval=200ms")
# docs/operate.md tells operators to do the same.
PROMOTE: Final = "SELECT pg_promote()"
_PATIENCE_S: Final = 60.0


class Pair:
    """Two clusters that take turns. Made by `a_pair`."""

    def __init__(self, folder: Path) -> None:
        self._clusters = [Cluster(folder / name, options=OPTIONS, port=a_steady_port()) for name in "ab"]
        self._is_whole = False

    @property
    def primary(self) -> Cluster:
        """Takes writes, or did when it still lived."""
        return self._clusters[0]

    @property
    def standby(self) -> Cluster:
        """Has everything that was acknowledged."""
        return self._clusters[1]

    def dsn(self, dsn: str) -> str:
        """Over both hosts, always in the same order: whoever asks finds the one that takes writes."""
        return with_ports(dsn, sorted(cluster.port for cluster in self._clusters))

    def create(self) -> None:
        """From nothing."""
        self.primary.create()
        self.primary.start()

    async def complete(self) -> None:
        """Copies the primary, if it is alone; from then on it answers no COMMIT that the copy has not got."""
        if self._is_whole:
            return
        await asyncio.to_thread(follow, self.standby, self.primary)
        await self._wait_for("*")
        async with connected(self.primary) as connection:
            await until(connection, "SELECT sync_state = 'sync' FROM pg_stat_replication")
        self._is_whole = True

    async def desert(self) -> None:
        """The primary no longer waits for its standby: what it acknowledges may be lost."""
        await self._wait_for("")
        self._is_whole = False

    async def restart(self) -> int:
        """The primary alone, and it stays the primary. Answers when it took connections again, as `fail_over`."""
        await asyncio.to_thread(self.primary.stop)
        await asyncio.to_thread(self.primary.start)
        return time.monotonic_ns()

    async def fail_over(self, end: End) -> int:
        """The primary ends, the standby takes its place. Answers when it was told to, in monotonic nanoseconds."""
        await asyncio.to_thread(END[end], self.primary)
        return await self.promote()

    async def promote(self) -> int:
        """The standby takes the place of a primary that nobody reaches any more. Answers as `fail_over`."""
        self._clusters.reverse()
        self._is_whole = False
        promoted_ns = time.monotonic_ns()
        async with connected(self.primary) as connection:
            assert await connection.fetchval(PROMOTE)
        return promoted_ns

    async def _wait_for(self, names: str) -> None:
        """The standbys that every COMMIT has to have reached before it is answered."""
        async with connected(self.primary) as connection:
            for statement in waiting_for(names):
                await connection.execute(statement)
            # Backends read the new setting between two statements of their own: this one has.
            await until(connection, f"SELECT current_setting('synchronous_standby_names') = '{names}'")

    def stop(self) -> None:
        """Whatever still runs."""
        for cluster in self._clusters:
            vanish(cluster)


@contextmanager
def a_pair() -> Iterator[Pair]:
    """The primary runs, and the first `complete` makes its standby; both are gone afterwards."""
    folder = a_folder()
    pair = Pair(folder)
    try:
        pair.create()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(folder, ignore_errors=True)


def waiting_for(names: str) -> tuple[str, str]:
    """The statements that make a primary wait for these standbys before it answers a COMMIT."""
    return f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()"


def with_ports(dsn: str, ports: Iterable[int]) -> str:
    """The same database, at one of these ports of this machine."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return urlunsplit(urlsplit(dsn)._replace(netloc=f"postgres@{hosts}"))


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
