"""Connections that stay open, lent out one at a time; what breaks is closed and opened anew when it is wanted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, TypeAlias, cast

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql import hosts
from innkeeper.server.storage.postgresql.faults import LOST, NotConnected
from innkeeper.server.storage.postgresql.timed_connection import TimedConnection
from innkeeper.server.storage.schema import marks
from innkeeper.server.storage.transfer.statements import MARK

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CONNECT_S: Final = 1.5
COMMAND_S: Final = 2.0
# For all statements of one transition together: longer than it would be tried again, so what was given up is over.
WHOLE_S: Final = 10.0
QUEUE_LIMIT: Final = 4096
# A node that vanished must not hold a row for hours. Who waits for a row gives up before the connection is dropped:
# otherwise the statement would go on waiting there, and happen although its request was told that it did not.
# Compiling a statement takes longer than running one of ours.
SESSION: Final = {
    "application_name": "innkeeper",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "1500ms",
    "jit": "off",
}


class Pool:
    """Belongs to one event loop. The library's own pool asks the server to clean up after every use: a round trip."""

    def __init__(self, url: str, *, size: int, pooler: bool, has_schema: bool) -> None:
        """`has_schema` once it can be read whether the database is marked: nobody works on one that is."""
        self.has_schema = has_schema
        self.refusal: str | None = None
        self._url = url
        self._pooler = pooler
        self._idle: list[TimedConnection] = []
        self._free = asyncio.Semaphore(size)
        self._waiting = 0
        self._is_closed = False

    @asynccontextmanager
    async def connection(self, deadline: float, *, may_last_s: float = 0) -> AsyncIterator[Connection]:
        """One connection for one transaction or read. Raises StoreUnavailable when none can be had in time.

        When a statement has no answer after `COMMAND_S`, or all of them after `WHOLE_S`, it is dropped, and what ran
        on it is lost. `may_last_s` stands for both.
        """
        if self.refusal is not None:
            raise StoreUnavailable(self.refusal)
        await self._wait_for_turn(deadline)
        try:
            connection = self._idle.pop() if self._idle else await self._open()
            connection.watch(statement_s=may_last_s or COMMAND_S, whole_s=may_last_s or WHOLE_S)
            try:
                yield connection
            except BaseException as error:
                is_cut_off = connection.is_closed()
                # Whatever state it is in, nobody else shall have it.
                connection.terminate()
                if isinstance(error, LOST):
                    self._let_go()
                if is_cut_off and isinstance(error, AttributeError):
                    # Its time was over between two steps of the library, which looked for what was gone by then.
                    raise ConnectionResetError("the connection was dropped under a statement") from error
                raise
            finally:
                connection.unwatch()
            self._put_back(connection)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Those that are lent out end when they come back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_closed(connection) for connection in idle))

    async def _wait_for_turn(self, deadline: float) -> None:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
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

    async def _open(self) -> TimedConnection:
        connection = await self._connected()
        try:
            # A node that was cut off while its database was moved or replaced was not counted among those connected.
            if self.has_schema and (mark := await connection.fetchval(MARK, timeout=CONNECT_S)) is not None:
                raise StoreUnavailable(marks.refusal_of(mark))
        except (*LOST, AttributeError) as error:
            if isinstance(error, AttributeError) and not connection.is_closed():
                raise  # only of a connection that is gone is it the library's way to say so
            connection.terminate()
            raise NotConnected(f"PostgreSQL: {type(error).__name__}: {error}", is_momentary=True) from error
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _connected(self) -> TimedConnection:
        connection = await hosts.connect(
            self._url, timeout=CONNECT_S, connection_class=TimedConnection, **self._options()
        )
        return cast(TimedConnection, connection)

    def _options(self) -> dict[str, Any]:
        if self._pooler:
            # Its next statement may run on another server connection, which does not know what this one prepared;
            # and what is set for a session would stay behind for strangers.
            return {"statement_cache_size": 0}
        return {
            "statement_cache_size": 1000,
            "target_session_attrs": SessionAttribute.read_write,
            "server_settings": SESSION,
        }

    def _let_go(self) -> None:
        """Of the idle ones: they led to the same server, and each of them would cost somebody a try."""
        while self._idle:
            self._idle.pop().terminate()

    def _put_back(self, connection: TimedConnection) -> None:
        if self._is_closed or connection.is_closed():
            connection.terminate()
        else:
            self._idle.append(connection)


async def _closed(connection: Connection) -> None:
    """All together: a server that has fallen silent must not hold up the end once for each."""
    try:
        await connection.close(timeout=CONNECT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
