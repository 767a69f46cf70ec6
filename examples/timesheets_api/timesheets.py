"""Timesheets, kept in one SQLite file."""

import sqlite3
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Hours = Annotated[float, msgspec.Meta(gt=0, le=24)]

SCHEMA = """
CREATE TABLE IF NOT EXISTS timesheet (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    date TEXT NOT NULL,
    project TEXT NOT NULL,
    hours REAL NOT NULL,
    approved_by TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS timesheet_of_owner ON timesheet (owner);
"""
COLUMNS = "id, owner, date, project, hours, approved_by"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person writes down."""

    date: date
    project: Text
    hours: Hours


class OwnedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a time clock uploads for a person."""

    owner: Text
    date: date
    project: Text
    hours: Hours


class Timesheet(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `owner` and `approved_by` are the `sub` of people."""

    id: int
    owner: str
    date: date
    project: str
    hours: float
    approved_by: str | None


class Timesheets:
    """Every method is one durable statement or one transaction."""

    def __init__(self, file: Path | str) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        self._database.close()

    def of(self, owner: str) -> list[Timesheet]:
        return self._rows(f"SELECT {COLUMNS} FROM timesheet WHERE owner = ? ORDER BY id", owner)

    def waiting(self) -> list[Timesheet]:
        return self._rows(f"SELECT {COLUMNS} FROM timesheet WHERE approved_by IS NULL ORDER BY id")

    def add(self, owner: str, entry: Entry | OwnedEntry) -> Timesheet:
        insert = (
            f"INSERT INTO timesheet (owner, date, project, hours) VALUES (?, ?, ?, ?) RETURNING {COLUMNS}"
        )
        return self._rows(insert, owner, entry.date.isoformat(), entry.project, entry.hours)[0]

    def add_all(self, entries: Iterable[OwnedEntry]) -> list[Timesheet]:
        self._database.execute("BEGIN")
        try:
            added = [self.add(entry.owner, entry) for entry in entries]
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return added

    def delete(self, timesheet_id: int, *, owner: str) -> bool:
        """Somebody else's row is not there, as far as `owner` can tell."""
        delete = "DELETE FROM timesheet WHERE id = ? AND owner = ?"
        return self._database.execute(delete, (timesheet_id, owner)).rowcount == 1

    def approve(self, timesheet_id: int, *, approved_by: str) -> Timesheet | None:
        """The first approval stays."""
        update = (
            f"UPDATE timesheet SET approved_by = coalesce(approved_by, ?) WHERE id = ? RETURNING {COLUMNS}"
        )
        return next(iter(self._rows(update, approved_by, timesheet_id)), None)

    def _rows(self, statement: str, *values: object) -> list[Timesheet]:
        names = COLUMNS.split(", ")
        rows = self._database.execute(statement, values).fetchall()
        return [msgspec.convert(dict(zip(names, row, strict=True)), Timesheet) for row in rows]
