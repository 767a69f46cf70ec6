"""The statements of a transfer, in words that both stores understand. Parameters are ?1, ?2 …"""

from collections.abc import Mapping, Sequence
from typing import Final

from innkeeper.server.storage.schema import marks
from innkeeper.server.storage.transfer.records import Row, Table

LIST: Final = "schema_migrations"
POSITIONS: Final = "transfer_tables"
MARK: Final = f"SELECT checksum FROM {LIST} WHERE number = {marks.NUMBER}"  # noqa: S608 (constants)
UNMARK: Final = f"DELETE FROM {LIST} WHERE number = {marks.NUMBER}"  # noqa: S608 (constants)
APPLIED: Final = f"SELECT number, checksum FROM {LIST} WHERE number <> {marks.NUMBER} ORDER BY number"  # noqa: S608
ADD_TO_LIST: Final = (
    "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)"
)
READ_POSITIONS: Final = "SELECT name, row_count, digest, last_key, is_complete FROM transfer_tables"
ADD_POSITION: Final = (
    "INSERT INTO transfer_tables (name, row_count, digest, last_key, is_complete) VALUES (?1, ?2, ?3, ?4, ?5)"
)
MOVE_ON: Final = (
    "UPDATE transfer_tables SET row_count = ?2, digest = ?3, last_key = ?4, is_complete = ?5"
    " WHERE name = ?1 AND row_count = ?6 AND is_complete = 0"
)
DROP_POSITIONS: Final = "DROP TABLE transfer_tables"
_CREATE_POSITIONS: Final = (
    "CREATE TABLE transfer_tables (name TEXT NOT NULL PRIMARY KEY, row_count BIGINT NOT NULL,"
    " digest {bytes} NOT NULL, last_key {bytes}, is_complete SMALLINT NOT NULL)"
)
_NEXT: Final = "SELECT {columns} FROM {table}{where} ORDER BY {key} LIMIT {limit}"
_AFTER: Final = " WHERE ({key}) > ({places})"
_COUNT: Final = "SELECT count(*) FROM {table}"
_EMPTY: Final = "DELETE FROM {table}"
_INSERT: Final = "INSERT INTO {table} ({columns}) VALUES ({places})"


def create_positions(placeholders: Mapping[str, str]) -> str:
    """In the words of one store."""
    return _CREATE_POSITIONS.format(**placeholders)


def next_rows(table: Table, after: Row | None, limit: int) -> str:
    """Its parameters are the columns of `after`."""
    key = _names(table.key)
    where = "" if after is None else _AFTER.format(key=key, places=_places(len(table.key)))
    columns = _names(table.columns)
    return _NEXT.format(columns=columns, table=table.name, where=where, key=key, limit=limit)


def count(table: Table) -> str:
    """All of it."""
    return _COUNT.format(table=table.name)


def empty(table_name: str) -> str:
    """What a migration has put into it is carried like everything else."""
    return _EMPTY.format(table=table_name)


def insert(table: Table) -> str:
    """Its parameters are the columns of a row."""
    columns = _names(table.columns)
    return _INSERT.format(table=table.name, columns=columns, places=_places(len(table.columns)))


def _names(columns: Sequence[str]) -> str:
    """Quoted: one of them is a word of SQL (`overlaps`)."""
    return ", ".join(f'"{column}"' for column in columns)


def _places(number: int) -> str:
    return ", ".join(f"?{place}" for place in range(1, number + 1))
