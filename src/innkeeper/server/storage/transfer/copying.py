"""The copy itself, and the proof that it is one."""

from collections.abc import Callable, Sequence
from typing import Final

from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.storage.transfer.records import Position, Positions, Table

CHUNK_ROWS: Final = 2000
Tell = Callable[[str, str, int], None]
"""Hears what is being done, to which table, and how many rows more of it."""


async def carry(source: End, target: End, tables: Sequence[Table], tell: Tell) -> Positions:
    """Goes on where the target's positions say; after a kill nothing is carried twice."""
    positions = await target.positions()
    for table in tables:
        position = positions.get(table.name, Position())
        while not position.is_complete:
            rows = await source.rows(table, position.last_key, CHUNK_ROWS)
            after = position.with_rows(table, rows)
            await target.add(table, rows, before=position, after=after)
            position = after
            tell("Copying", table.name, len(rows))
        positions[table.name] = position
    return positions


async def measure(end: End, tables: Sequence[Table], tell: Tell) -> Positions:
    """Reads everything once more: what is really there, not what was meant to be."""
    return {table.name: await _measured(end, table, tell) for table in tables}


def differences(one: Positions, other: Positions) -> list[str]:
    """The tables whose rows are not the same."""
    return [name for name in sorted({*one, *other}) if not _agree(one.get(name), other.get(name))]


async def total(end: End) -> int:
    """How many rows there are to carry."""
    return sum([await end.count(table) for table in await end.tables()])


async def _measured(end: End, table: Table, tell: Tell) -> Position:
    position = Position()
    while not position.is_complete:
        rows = await end.rows(table, position.last_key, CHUNK_ROWS)
        position = position.with_rows(table, rows)
        tell("Checking", table.name, len(rows))
    return position


def _agree(one: Position | None, other: Position | None) -> bool:
    return one is not None and other is not None and one.agrees_with(other)
