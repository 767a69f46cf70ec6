"""Opening the database file: one set of pragmas, mode 0600, no file where none should be."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import apsw

from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.schema import migrations
from innkeeper.server.storage.schema.migrations import SchemaRefused

PLACEHOLDERS: Final[Mapping[str, str]] = {"bytes": "BLOB", "clustered": "WITHOUT ROWID", "hot": ""}
CREATE_LIST: Final = (
    "CREATE TABLE schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
    " checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
)
INSERT_MIGRATION: Final = "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)"
LOCK_WAIT_S: Final = 10.0
_POLL_S: Final = (0.0003, 0.0005, 0.0007, 0.001)


def prepare_file(path: Path, *, may_create: bool) -> None:
    """A missing folder becomes 0700 and the file 0600; SQLite gives its companions the file's mode."""
    if not path.exists():
        if not may_create:
            raise StoreUnavailable(f"there is no database at {path}")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if name.exists() and name.stat().st_mode & 0o077:
            name.chmod(0o600)


def open_writer(path: Path) -> apsw.Connection:
    """Never creates a file: a database that has vanished must not come back empty."""
    connection = open_existing(path)
    if connection.readonly("main"):
        # SQLite settles for reading where it may not write; this connection would never write again (F08).
        connection.close(True)
        raise StoreUnavailable(f"{path} cannot be written: its file system is read-only, or its mode is")
    _wait_for(connection, "PRAGMA journal_mode = WAL")
    connection.pragma("synchronous", "FULL")
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that cannot write, and that is in contact with the log from the start."""
    connection = open_existing(path)
    connection.set_busy_timeout(1000)
    connection.pragma("query_only", True)
    connection.execute("PRAGMA schema_version").fetchall()
    return connection


def begin(connection: apsw.Connection) -> None:
    """Takes the write lock. Polls by itself: SQLite's busy handler starves behind a busy writer."""
    _wait_for(connection, "BEGIN IMMEDIATE")


def migrate(connection: apsw.Connection, now_us: int) -> None:
    """Brings the schema up to date in one transaction, or refuses and changes nothing."""
    if has_table(connection, "schema_migrations") and not pending_migrations(connection):
        return
    begin(connection)
    try:
        _apply_pending(connection, now_us)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def has_table(connection: apsw.Connection, name: str) -> bool:
    """Asked of the file: what the connection remembers may be older than a table that another process has made."""
    found = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1"
    return bool(connection.execute(found, (name,)).get)


def _apply_pending(connection: apsw.Connection, now_us: int) -> None:
    if not has_table(connection, "schema_migrations"):
        if connection.execute("SELECT count(*) FROM sqlite_schema").get:
            raise SchemaRefused("the file is a database, but not one of Innkeeper's")
        connection.execute(CREATE_LIST)
    apply(connection, pending_migrations(connection), now_us)


def apply(connection: apsw.Connection, pending: Sequence[migrations.Migration], now_us: int) -> None:
    """These migrations, inside the transaction that is under way."""
    for migration in pending:
        for statement in migration.statements(PLACEHOLDERS):
            connection.execute(statement)
        row = (migration.number, migration.name, migration.checksum, now_us)
        connection.execute(INSERT_MIGRATION, row)


def pending_migrations(connection: apsw.Connection) -> tuple[migrations.Migration, ...]:
    """What this version still has to do to the database; SchemaRefused if it must not touch it."""
    rows = connection.execute("SELECT number, checksum FROM schema_migrations ORDER BY number").fetchall()
    return migrations.pending([(int(str(number)), str(checksum)) for number, checksum in rows])


def open_existing(path: Path) -> apsw.Connection:
    """What every connection has in common."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.pragma("mmap_size", 0)
    connection.pragma("trusted_schema", False)
    # Otherwise SQLite plans a join again for each new value of a parameter: 13 us instead of 1 per look-up.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    # Every consequence is written out in its transition; a cascade would be a second place for the rules.
    connection.pragma("foreign_keys", False)
    return connection


def _wait_for(connection: apsw.Connection, statement: str) -> None:
    deadline = monotonic() + LOCK_WAIT_S
    tries = 0
    while True:
        try:
            connection.execute(statement).fetchall()
            return
        except apsw.BusyError as error:
            if monotonic() > deadline:
                raise StoreUnavailable(
                    f"another process kept the database locked for {LOCK_WAIT_S:g} s"
                ) from error
        sleep(_POLL_S[tries % len(_POLL_S)])
        tries += 1
