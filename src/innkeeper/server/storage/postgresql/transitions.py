"""Running transitions: each in one serializable transaction, tried again under the same attempt.

A collision with another transaction undid this one: it is tried again as if for the first time. After a lost
connection nobody knows whether COMMIT happened: the next try is told so and asks first whether its attempt has won.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, Final, TypeVar

from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.postgresql.faults import COLLISIONS, LOST, translated
from innkeeper.server.storage.postgresql.pool import Pool
from innkeeper.server.storage.postgresql.transaction import Transaction

T = TypeVar("T")
PATIENCE_S: Final = 4.0
_LOST_TRIES: Final = 3
_SHORTEST_PAUSE_S: Final = 0.001
_LONGEST_PAUSE_S: Final = 0.05


class Transitions:
    """A cancelled caller does not cancel its transition."""

    def __init__(self, pool: Pool, counters: Counters) -> None:
        self._pool = pool
        self._counters = counters
        self._under_way: set[asyncio.Task[Any]] = set()
        self._is_closing = False
        self.loses_next_answer = False

    async def submit(self, run: Callable[[Transaction], Awaitable[T]]) -> T:
        """What the transition answered once it was durable. Raises StoreUnavailable."""
        return await self.shielded(self._perform(run))

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

    async def _perform(self, run: Callable[[Transaction], Awaitable[T]]) -> T:
        self._counters.transitions += 1
        deadline = monotonic() + PATIENCE_S
        pause_s, lost = _SHORTEST_PAUSE_S, 0
        while True:
            try:
                return await self._once(run, is_retry=lost > 0)
            except COLLISIONS as error:
                reason: Exception = error
            except LOST as error:
                lost += 1
                reason = error
            except Exception as error:
                raise translated(error) from error
            if lost >= _LOST_TRIES or monotonic() > deadline:
                raise StoreUnavailable(f"PostgreSQL: {type(reason).__name__}: {reason}") from reason
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret, only apart
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _once(self, run: Callable[[Transaction], Awaitable[T]], *, is_retry: bool) -> T:
        async with self._pool.connection() as connection:
            await connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            try:
                outcome = await run(Transaction(connection, self._counters, is_retry=is_retry))
                await connection.execute("COMMIT")
            except COLLISIONS as error:
                # Caught in here: what leaves this block in anger takes its connection along.
                await connection.execute("ROLLBACK")
                collision = error
            else:
                self._counters.commits += 1
                if self.loses_next_answer:
                    self.loses_next_answer = False
                    raise ConnectionResetError("the answer to COMMIT was lost")
                return outcome
        raise collision
