"""Deleting what is over, in PostgreSQL: looked for without a lock, deleted by key."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from innkeeper.server.storage import purging
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.purging import Purge, Row

EDGES: Final = tuple(edge.marked("$") for edge in purging.EDGES)
WALKS: Final = tuple(walk.marked("$") for walk in purging.WALKS)
# No other transition waits for these rows: few round trips are worth more than short transactions.
SLICE: Final = 125


def purge_of(reader: Reader, transitions: Transitions) -> Purge:
    """Its slices are transitions like any other."""

    async def delete(rows: Sequence[Row], deletes: Sequence[str], before_us: int) -> int:
        return await transitions.submit(partial(_delete, rows, deletes, before_us))

    return Purge(reader.snapshot, delete, edges=EDGES, walks=WALKS, slice_rows=SLICE)


async def _delete(
    rows: Sequence[Row], deletes: Sequence[str], before_us: int, transaction: Transaction
) -> int:
    deleted = 0
    for sql, keys in zip(deletes, zip(*rows, strict=True), strict=True):
        deleted += await transaction.change_each(sql, [(key, before_us) for key in keys])
    return deleted
