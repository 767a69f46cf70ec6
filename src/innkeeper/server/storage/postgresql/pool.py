"""Connections that stay open, lent out one at a time; what breaks is closed and opened anew when it is wanted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql.faults import LOST, translated
from innkeeper.server.storage.postgresql.hosts import Hosts

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CONNECT_S: Final = 1.5
ANSWER_S: Final = 2.0
QUEUE_LIMIT: Final = 4096
# A node that vanished must not keep a row for hours; planning takes longer than any of our statements.
SESSION: Final = {
    "application_name": "innkeeper",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "2s",
    "jit": "off",
}


class Pool:
    """Belongs to one event loop. The library's own pool asks the server to clean up after every use: a round trip."""

    def __init__(self, url: str, *, size: int, pooler: bool) -> None:
        self._hosts = Hosts(url)
        self._pooler = pooler
        self._idle: list[Connection] = []
        self._opened_at: dict[Connection, float] = {}
        self._free = asyncio.Semaphore(size)
        self._waiting = 0
        self._is_closed = False

    @asynccontextmanager
    async def connection(
        self, deadline: float, *, answer_s: float | None = ANSWER_S
    ) -> AsyncIterator[Connection]:
        """One connection for one transition or read, for `answer_s` at most. Raises StoreUnavailable.

        It is dropped when the time is up, never told to cancel: a commit that was waiting for its standby would end
        its wait, and be seen before it is safe.
        """
        await self._wait_for_turn(deadline)
        try:
            connection = self._idle.pop() if self._idle else await self._open(deadline)
            dropping = None
            if answer_s is not None:
                dropping = asyncio.get_running_loop().call_later(answer_s, connection.terminate)
            try:
                yield connection
            except BaseException as error:
                # Whatever state it is in, nobody else shall have it.
                self._drop(connection, are_others_doubtful=isinstance(error, LOST))
                raise
            finally:
                if dropping is not None:
                    dropping.cancel()
            self._put_back(connection)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Those that are lent out end when they come back."""
        self._is_closed = True
        while self._idle:
            connection = self._idle.pop()
            self._opened_at.pop(connection, None)
            try:
                await connection.close(timeout=CONNECT_S)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()

    async def _wait_for_turn(self, deadline: float) -> None:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._waiting >= QUEUE_LIMIT:
            raise StoreUnavailable("too many transitions are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(max(deadline - monotonic(), 0)):
                await self._free.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("no connection to PostgreSQL was free in time") from error
        finally:
            self._waiting -= 1

    async def _open(self, deadline: float) -> Connection:
        """To the first host that takes writes."""
        reason: Exception = TimeoutError("no time was left to connect")
        for number, url in self._hosts:
            left_s = deadline - monotonic()
            if left_s <= 0:
                break
            try:
                connection = await self._connect(url, min(CONNECT_S, left_s))
            except Exception as error:
                reason = error
                continue
            self._hosts.answered(number)
            self._opened_at[connection] = monotonic()
            return connection
        raise translated(reason) from reason

    async def _connect(self, url: str, timeout_s: float) -> Connection:
        if self._pooler:
            # The next statement may run on another server connection, which does not know what this one prepared,
            # and what is set for a session would stay behind for others.
            return await asyncpg.connect(url, timeout=timeout_s, statement_cache_size=0)
        return await asyncpg.connect(
            url,
            timeout=timeout_s,
            statement_cache_size=1000,
            target_session_attrs=SessionAttribute.read_write,
            server_settings=SESSION,
        )

    def _drop(self, connection: Connection, *, are_others_doubtful: bool) -> None:
        """What broke one connection has broken those that were there before it, most likely."""
        opened_at = self._opened_at.pop(connection, 0.0)
        connection.terminate()
        if are_others_doubtful:
            doubtful = [idle for idle in self._idle if self._opened_at.get(idle, 0.0) <= opened_at]
            self._idle = [idle for idle in self._idle if idle not in doubtful]
            for idle in doubtful:
                self._drop(idle, are_others_doubtful=False)

    def _put_back(self, connection: Connection) -> None:
        if self._is_closed or connection.is_closed():
            self._drop(connection, are_others_doubtful=False)
        else:
            self._idle.append(connection)
