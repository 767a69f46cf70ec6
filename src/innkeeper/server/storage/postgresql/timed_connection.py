"""A connection whose statements have a bound each, and another one all together: a slow wire is not a dead one."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection


class TimedConnection(_Connection):
    """Dropped when its time is over, and what ran on it is lost.

    Dropped, not cancelled: PostgreSQL shows a COMMIT whose wait for the standby was cancelled to everybody,
    although a failover may still lose it.
    """

    __slots__ = ("_asked_at_s", "_ends_at_s", "_limit", "_statement_s")

    def watch(self, *, statement_s: float, whole_s: float) -> None:
        """From now on. A statement that begins has all of its time, however much those before it took."""
        self._asked_at_s = monotonic()
        self._ends_at_s = self._asked_at_s + whole_s
        self._statement_s = statement_s
        self._limit = self._look_again()

    def unwatch(self) -> None:
        """Nobody waits for it any more."""
        self._limit.cancel()

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        """One statement, or one step of a transaction."""
        self._asked_at_s = monotonic()
        return await super().execute(*arguments, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        """One statement."""
        self._asked_at_s = monotonic()
        return await super().fetch(*arguments, **options)

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:
        """One statement."""
        self._asked_at_s = monotonic()
        return await super().fetchval(*arguments, **options)

    async def fetchmany(self, *arguments: Any, **options: Any) -> Any:
        """One statement for many values, sent in one go."""
        self._asked_at_s = monotonic()
        return await super().fetchmany(*arguments, **options)

    def _look_again(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._left_s(), self._drop_if_over)

    def _drop_if_over(self) -> None:
        """A statement that has begun meanwhile costs no timer of its own."""
        if self._left_s() <= 0:
            self.terminate()
        else:
            self._limit = self._look_again()

    def _left_s(self) -> float:
        return min(self._asked_at_s + self._statement_s, self._ends_at_s) - monotonic()
