"""Connections that stay open, lent out one at a time; what breaks is closed and opened anew when it is wanted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql import hosts
from innkeeper.server.storage.postgresql.faults import LOST

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CONNECT_S: Final = 3.0
COMMAND_S: Final = 5.0
WAIT_S: Final = 5.0
QUEUE_LIMIT: Final = 4096


class Pool:
    """Belongs to one event loop. The library's own pool asks the server to clean up after every use: a round trip."""

    def __init__(self, url: str, *, size: int, pooler: bool) -> None:
        self._url = url
        self._pooler = pooler
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(size)
        self._waiting = 0
        self._is_closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection for one transaction or read. Raises StoreUnavailable when none can be had soon."""
        await self._wait_for_turn()
        try:
            connection = self._idle.pop() if self._idle else await self._open()
            try:
                yield connection
            except BaseException as error:
                # Whatever state it is in, nobody else shall have it. At once: the library has just been about to
                # cancel a statement that took too long, and PostgreSQL shows a COMMIT whose wait for the standby
                # was cancelled to everybody, although a failover may still lose it.
                connection.terminate()
                if isinstance(error, LOST):
                    self._let_go()
                raise
            self._put_back(connection)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Those that are lent out end when they come back."""
        self._is_closed = True
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=CONNECT_S)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()

    async def _wait_for_turn(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self._waiting >= QUEUE_LIMIT:
            raise StoreUnavailable("too many transitions are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(f"no connection to PostgreSQL was free for {WAIT_S:g} s") from error
        finally:
            self._waiting -= 1

    async def _open(self) -> Connection:
        return await hosts.connect(
            self._url,
            timeout=CONNECT_S,
            command_timeout=COMMAND_S,
            # Behind a pooler the next statement may run on another server connection, which does not know it.
            statement_cache_size=0 if self._pooler else 1000,
            target_session_attrs=SessionAttribute.any if self._pooler else SessionAttribute.read_write,
        )

    def _let_go(self) -> None:
        """Of the idle ones: they led to the same server, and each of them would cost somebody a try."""
        while self._idle:
            self._idle.pop().terminate()

    def _put_back(self, connection: Connection) -> None:
        if self._is_closed or connection.is_closed():
            connection.terminate()
        else:
            self._idle.append(connection)
