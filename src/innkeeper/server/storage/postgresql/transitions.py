"""Running transitions, each under its attempt until it is known how it ended.

Most are one statement, durable by itself, at PostgreSQL's own isolation level: the condition is asked again of a row
that had to be waited for. A loser learns why in a statement of its own. What administrators do, where several rows
are read before others are written, is a serializable transaction.

A collision with another transition undid this one: it is tried again as if for the first time. After a lost
connection nobody knows whether it was committed: the next try is told so, and its answer is made sure of.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

import asyncpg

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import InDoubt, Stale, StoreUnavailable
from innkeeper.server.storage.postgresql.faults import (
    AWAY,
    COLLISIONS,
    LOST,
    UNWILLING,
    NotConnected,
    translated,
)
from innkeeper.server.storage.postgresql.pool import Connection, Pool
from innkeeper.server.storage.postgresql.statements import MAKE_SURE, Statements
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.troubles import Troubles

T = TypeVar("T")
Out = TypeVar("Out", covariant=True)
PATIENCE_S: Final = 4.5
_LOST_TRIES: Final = 4
_SHORTEST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.05
# Of a database that is away, also for others. A collision is none, unless somebody held a row for long.
_SIGNS: Final = (*LOST, *AWAY, StoreUnavailable, TimeoutError, asyncpg.LockNotAvailableError)
SERIALIZABLE: Final = "BEGIN ISOLATION LEVEL SERIALIZABLE"
HOLDING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"


class _Once(Protocol[Out]):
    async def __call__(self, connection: Connection, *, is_retry: bool) -> Out: ...


class Transitions:
    """A cancelled caller does not cancel its transition."""

    def __init__(self, pool: Pool, counters: Counters, troubles: Troubles | None = None) -> None:
        self.troubles = troubles or Troubles()
        self._pool = pool
        self._counters = counters
        self._under_way: set[asyncio.Task[Any]] = set()
        self._is_closing = False
        self.loses_next_answer = False

    async def at_once(self, run: Callable[[Statements], Awaitable[T]]) -> T:
        """What it answered; each of its statements is durable when it returns. Raises StoreUnavailable.

        Only its last statement changes anything, or what it changed before is true whatever happens next.
        """
        return await self.shielded(self._perform(partial(self._stepwise, run)))

    async def submit(self, run: Callable[[Transaction], Awaitable[T]]) -> T:
        """What the transaction answered once it was durable as a whole. Raises StoreUnavailable."""
        return await self.shielded(self._perform(partial(self._whole, run, SERIALIZABLE)))

    async def together(self, run: Callable[[Transaction], Awaitable[T]]) -> T:
        """Like `submit`, for statements that hold the rows they depend on, so that rivals wait instead of colliding."""
        return await self.shielded(self._perform(partial(self._whole, run, HOLDING)))

    async def shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Goes on when the caller is cancelled, and `close` waits for it."""
        if self._is_closing:
            work.close()
            raise StoreUnavailable("the store is closed")
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for everything that was accepted."""
        self._is_closing = True
        if self._under_way:
            await asyncio.wait(list(self._under_way))

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # heard, also when its caller has gone

    async def _perform(self, once: _Once[T]) -> T:
        self._counters.transitions += 1
        deadline = monotonic() + PATIENCE_S
        pause_s, lost = _SHORTEST_PAUSE_S, 0
        while True:
            try:
                return await self._tried(once, deadline, is_retry=lost > 0)
            except ValueError:
                raise  # a value that does not fit its column: the library counts it among the broken connections
            except NotConnected as error:
                # Whoever does not know whether an earlier try has happened asks as long as there is time: the app
                # would come again with an attempt of its own, and convict itself.
                if not lost and not error.is_momentary:
                    self.troubles.note()
                    raise
                reason: Exception = error
            except (*COLLISIONS, *UNWILLING) as error:
                reason = error
            except LOST as error:
                lost += 1
                reason = error
            except Exception as error:
                raise self._given_up(translated(error), error, lost) from error
            if isinstance(reason, _SIGNS):
                self.troubles.note()
            if lost >= _LOST_TRIES or monotonic() + pause_s > deadline:
                away = StoreUnavailable(f"PostgreSQL: {type(reason).__name__}: {reason}")
                raise self._given_up(away, reason, lost) from reason
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret, only apart
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _given_up(self, told: Exception, reason: Exception, lost: int) -> Exception:
        """What the caller is told: after a lost try nobody knows whether it has happened, or will."""
        if not isinstance(told, StoreUnavailable):
            return told
        if isinstance(reason, _SIGNS):
            self.troubles.note()
        return InDoubt(str(told)) if lost else told

    async def _tried(self, once: _Once[T], deadline: float, *, is_retry: bool) -> T:
        async with self._pool.connection(deadline) as connection:
            try:
                outcome = await once(connection, is_retry=is_retry)
            except COLLISIONS as error:
                # Caught in here: what leaves this block in anger takes its connection along.
                collision = error
            else:
                self._counters.commits += 1
                if self.loses_next_answer:
                    self.loses_next_answer = False
                    raise ConnectionResetError("the answer to COMMIT was lost")
                if is_retry:
                    # What the lost try did may be seen before it is safe from the loss of this machine.
                    await connection.execute(MAKE_SURE)
                    if isinstance(outcome, Stale):
                        # The flow would decide again and make new records, while the lost try may still be under way.
                        raise StoreUnavailable("whether a lost try has happened is not known")
                return outcome
        raise collision

    async def _stepwise(
        self, run: Callable[[Statements], Awaitable[T]], connection: Connection, *, is_retry: bool
    ) -> T:
        return await run(Statements(connection, self._counters, is_retry=is_retry))

    async def _whole(
        self,
        run: Callable[[Transaction], Awaitable[T]],
        begin: str,
        connection: Connection,
        *,
        is_retry: bool,
    ) -> T:
        transaction = Transaction(connection, self._counters, is_retry=is_retry)
        await connection.execute(begin)
        try:
            outcome = await run(transaction)
            await connection.execute("ROLLBACK" if transaction.is_undone else "COMMIT")
        except COLLISIONS:
            await connection.execute("ROLLBACK")
            raise
        return outcome
