"""Positions as columns of the table `transfer_tables`: there while a transfer is under way, for good in a backup."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from innkeeper.server.storage.transfer.records import Position, Positions, Row, Value


def start(name: str) -> tuple[Value, ...]:
    """The columns of a table of which nothing was carried yet."""
    return (name, *columns(Position()))


def columns(position: Position) -> tuple[Value, ...]:
    """`row_count`, `digest`, `last_key`, `is_complete`."""
    last = None if position.last_key is None else msgspec.msgpack.encode(position.last_key)
    return position.row_count, position.digest, last, int(position.is_complete)


def positions(rows: Iterable[tuple[Any, ...]]) -> Positions:
    """From the rows of `statements.READ_POSITIONS`."""
    return {
        name: Position(
            row_count=row_count,
            digest=bytes(digest),
            last_key=None if last is None else cast("Row", tuple(msgspec.msgpack.decode(last))),
            is_complete=bool(is_complete),
        )
        for name, row_count, digest, last, is_complete in rows
    }
