"""What is carried, how far it has come, and a digest that two databases agree on."""

from collections.abc import Sequence
from typing import Final

import msgspec

from innkeeper.jose.hashes import sha256

Value = None | int | str | bytes
Row = tuple[Value, ...]
_MODULUS: Final = 1 << 256
_encode: Final = msgspec.msgpack.Encoder().encode


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """`columns` in the order of their names, so that two stores tell the same row in the same way."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        """Where the next step goes on."""
        return tuple(row[self.columns.index(column)] for column in self.key)


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a table was carried. The digest is a sum over its rows: every order of them gives the same."""

    last_key: Row | None = None
    row_count: int = 0
    digest: bytes = bytes(32)
    is_complete: bool = False

    def with_rows(self, table: Table, rows: Sequence[Row]) -> "Position":
        """After these rows; none of them left: complete."""
        if not rows:
            return msgspec.structs.replace(self, is_complete=True)
        total = int.from_bytes(self.digest, "big")
        total += sum(int.from_bytes(sha256(_encode(row)), "big") for row in rows)
        return Position(
            last_key=table.key_of(rows[-1]),
            row_count=self.row_count + len(rows),
            digest=(total % _MODULUS).to_bytes(32, "big"),
        )

    def agrees_with(self, other: "Position") -> bool:
        """The same rows, whatever the order in which they were met."""
        return (self.row_count, self.digest) == (other.row_count, other.digest)


Positions = dict[str, Position]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was carried in all."""

    tables: int
    rows: int


def counted(positions: Positions) -> Counted:
    """How much there is in these tables together."""
    return Counted(tables=len(positions), rows=sum(position.row_count for position in positions.values()))
