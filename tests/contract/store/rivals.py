"""Releasing many calls of one transition together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

from tests.contract.store.builders import AnyStore, World

Call = Callable[[AnyStore, int], Awaitable[Any]]


@dataclass
class Rivals:
    """`stores` are doors to one state; the calls take turns in which door they use."""

    world: World
    stores: list[AnyStore]
    in_threads: bool = False

    async def race(self, call: Call, width: int = 20) -> list[Any]:
        """What each of them was told."""
        if self.in_threads:
            return await self._race_in_threads(call, width)
        gate = asyncio.Event()

        async def run(number: int) -> Any:
            await gate.wait()
            return await call(self.stores[number % len(self.stores)], number)

        runs = [asyncio.ensure_future(run(number)) for number in range(width)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*runs)

    async def tally(self, call: Call, width: int = 20) -> Counter[str]:
        """How often each outcome was told."""
        return Counter(type(outcome).__name__ for outcome in await self.race(call, width))

    async def _race_in_threads(self, call: Call, width: int) -> list[Any]:
        gate = Barrier(width)

        async def enter(number: int) -> Any:
            return await call(self.stores[0], number)

        def run(number: int) -> Any:
            gate.wait()
            return asyncio.run(enter(number))

        with ThreadPoolExecutor(width) as threads:
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(loop.run_in_executor(threads, run, n) for n in range(width)))
