"""Deleting what is over, in SQLite: looked for on the readers' thread, so that the writer only deletes."""

from collections.abc import Sequence
from functools import partial

from innkeeper.server.storage.purging import Purge, Row
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer


def purge_of(reader: Reader, writer: Writer) -> Purge:
    """Its slices queue like everybody's transitions."""

    async def delete(rows: Sequence[Row], deletes: Sequence[str], before_us: int) -> int:
        return await writer.submit(partial(_delete, rows, deletes, before_us))

    return Purge(reader.snapshot, delete)


def _delete(rows: Sequence[Row], deletes: Sequence[str], before_us: int, transaction: Transaction) -> int:
    return sum(
        transaction.change(sql, (key, before_us))
        for row in rows
        for sql, key in zip(deletes, row, strict=True)
    )
