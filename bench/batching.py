"""`python -m bench.batching`: rotations on PostgreSQL one by one and in batches, sixty-four families at once.

A real PostgreSQL with fsync on this machine; the two forms take turns. Only the store is measured.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from innkeeper.server.storage.outcomes import Rotated
from innkeeper.server.storage.postgresql import open_store
from tests.contract.store import families
from tests.contract.store.builders import World
from tests.postgres import DURABLE, Cluster, a_folder

FAMILIES: Final = 64
EACH: Final = 40
ROUNDS: Final = 2


async def main() -> None:
    """Prints a line for each run."""
    cluster = Cluster(a_folder(), options=DURABLE)
    cluster.create()
    cluster.start()
    try:
        for batching in (False, True) * ROUNDS:
            print(await measured(await cluster.fresh_database(), batching=batching), flush=True)
    finally:
        cluster.stop()


async def measured(dsn: str, *, batching: bool) -> str:
    """Rotations in a second, what each cost this process, and how many statements all of them were."""
    store = await open_store(dsn, batching=batching, judges_by_caller=True)
    world = await World(store).build()
    begun = [await families.begun(world) for _ in range(FAMILIES)]
    before = store.counters.statements
    wall, used = time.perf_counter(), time.process_time()

    async def rotate(number: int) -> None:
        for generation in range(EACH):
            outcome = await families.rotate(world, begun[number], generation)
            assert outcome == Rotated(generation=generation + 1)

    await asyncio.gather(*(rotate(number) for number in range(FAMILIES)))
    wall, used = time.perf_counter() - wall, time.process_time() - used
    statements = store.counters.statements - before
    await store.close()
    count = FAMILIES * EACH
    name = "in batches" if batching else "one by one"
    return f"{name}: {count / wall:.0f}/s, {used / count * 1e6:.0f} us of CPU each, {statements} statements"


if __name__ == "__main__":
    asyncio.run(main())
