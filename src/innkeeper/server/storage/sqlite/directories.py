"""Directories, in SQLite."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.directory import DEFAULT_DIRECTORY, Directory
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.storage.outcomes import Conflict, Done, Missing
from innkeeper.server.storage.rows import DIRECTORY
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

GET: Final = "SELECT record FROM directories WHERE name = ?1"
INSERT: Final = (
    "INSERT INTO directories (name, revision, record) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING"
)
REPLACE: Final = "UPDATE directories SET revision = ?2, record = ?3 WHERE name = ?1 AND revision = ?4"
DELETE: Final = (
    "DELETE FROM directories WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM users WHERE directory = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM trusted_issuers WHERE directory = ?1)"
)
HAS_PEOPLE: Final = "SELECT 1 FROM users WHERE directory = ?1 LIMIT 1"
LIST_DIRECTORIES: Final = "SELECT record FROM directories ORDER BY name"


class SqliteDirectories:
    """See `interface.Directories`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, name: DirectoryName) -> Directory | None:
        row = self._reader.row(GET, (name,))
        return DIRECTORY.decode(row[0]) if row else None

    async def create(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._writer.submit(partial(_create, directory, events))

    async def replace(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._writer.submit(partial(_replace, directory, events))

    async def delete(self, name: DirectoryName, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._writer.submit(partial(_delete, name, events))


def has_directory(name: DirectoryName, transaction: Transaction) -> bool:
    """The default one needs no row."""
    return name == DEFAULT_DIRECTORY or transaction.row(GET, (name,)) is not None


def _create(directory: Directory, events: Sequence[Event], transaction: Transaction) -> Done | Conflict:
    if has_directory(directory.name, transaction):
        return Done() if transaction.is_retry else Conflict(what="name")
    taken = _taken_domain(directory, transaction)
    if taken is not None:
        return taken
    transaction.change(INSERT, (directory.name, directory.revision, DIRECTORY.encode(directory)))
    return _changed(directory.name, events, transaction)


def _replace(
    directory: Directory, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    stored = transaction.row(GET, (directory.name,))
    if stored is None:
        return Missing()
    successor = replace(directory, revision=directory.revision + 1)
    record = DIRECTORY.encode(successor)
    if transaction.is_retry and stored[0] == record:
        return Done()
    if DIRECTORY.decode(stored[0]).revision != directory.revision:
        return Conflict(what="revision")
    taken = _taken_domain(directory, transaction)
    if taken is not None:
        return taken
    transaction.change(REPLACE, (directory.name, successor.revision, record, directory.revision))
    return _changed(directory.name, events, transaction)


def _delete(
    name: DirectoryName, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    if transaction.change(DELETE, (name,)):
        return _changed(name, events, transaction)
    if transaction.row(GET, (name,)) is not None:
        has_people = transaction.row(HAS_PEOPLE, (name,)) is not None
        return Conflict(what="people" if has_people else "issuers")
    return Done() if transaction.is_retry else Missing()


def _taken_domain(directory: Directory, transaction: Transaction) -> Conflict | None:
    """They are few, so they are looked at one by one."""
    for (record,) in transaction.rows(LIST_DIRECTORIES):
        other = DIRECTORY.decode(record)
        shared = [domain for domain in directory.email_domains if domain in other.email_domains]
        if other.name != directory.name and shared:
            return Conflict(what=shared[0])
    return None


def _changed(name: DirectoryName, events: Sequence[Event], transaction: Transaction) -> Done:
    transaction.note_change("directory", name)
    transaction.record(events)
    return Done()
