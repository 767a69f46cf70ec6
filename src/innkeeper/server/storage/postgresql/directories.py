"""Directories, in PostgreSQL."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.directory import DEFAULT_DIRECTORY, Directory
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.storage.outcomes import Conflict, Done, Missing
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import DIRECTORY

GET: Final = "SELECT record FROM directories WHERE name = $1"
INSERT: Final = (
    "INSERT INTO directories (name, revision, record) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING"
)
REPLACE: Final = "UPDATE directories SET revision = $2, record = $3 WHERE name = $1 AND revision = $4"
DELETE: Final = (
    "DELETE FROM directories WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM users WHERE directory = $1)"
    " AND NOT EXISTS (SELECT 1 FROM trusted_issuers WHERE directory = $1)"
)
HAS_PEOPLE: Final = "SELECT 1 FROM users WHERE directory = $1 LIMIT 1"
LIST_DIRECTORIES: Final = "SELECT record FROM directories ORDER BY name"


class PostgresDirectories:
    """See `interface.Directories`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def get(self, name: DirectoryName) -> Directory | None:
        row = await self._reader.row(GET, (name,))
        return DIRECTORY.decode(row[0]) if row else None

    async def create(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._transitions.submit(partial(_create, directory, events))

    async def replace(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._transitions.submit(partial(_replace, directory, events))

    async def delete(self, name: DirectoryName, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._transitions.submit(partial(_delete, name, events))


async def has_directory(name: DirectoryName, transaction: Transaction) -> bool:
    """The default one needs no row."""
    return name == DEFAULT_DIRECTORY or await transaction.row(GET, (name,)) is not None


async def _create(directory: Directory, events: Sequence[Event], transaction: Transaction) -> Done | Conflict:
    if await has_directory(directory.name, transaction):
        stored = await transaction.row(GET, (directory.name,))
        is_ours = transaction.is_retry and stored == (DIRECTORY.encode(directory),)
        return Done() if is_ours else Conflict(what="name")
    taken = await _taken_domain(directory, transaction)
    if taken is not None:
        return taken
    await transaction.change(INSERT, (directory.name, directory.revision, DIRECTORY.encode(directory)))
    return await _changed(directory.name, events, transaction)


async def _replace(
    directory: Directory, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    stored = await transaction.row(GET, (directory.name,))
    if stored is None:
        return Missing()
    successor = replace(directory, revision=directory.revision + 1)
    record = DIRECTORY.encode(successor)
    if transaction.is_retry and stored[0] == record:
        return Done()
    if DIRECTORY.decode(stored[0]).revision != directory.revision:
        return Conflict(what="revision")
    taken = await _taken_domain(directory, transaction)
    if taken is not None:
        return taken
    await transaction.change(REPLACE, (directory.name, successor.revision, record, directory.revision))
    return await _changed(directory.name, events, transaction)


async def _delete(
    name: DirectoryName, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    if await transaction.change(DELETE, (name,)):
        return await _changed(name, events, transaction)
    if await transaction.row(GET, (name,)) is not None:
        has_people = await transaction.row(HAS_PEOPLE, (name,)) is not None
        return Conflict(what="people" if has_people else "issuers")
    return Done() if transaction.is_retry else Missing()


async def _taken_domain(directory: Directory, transaction: Transaction) -> Conflict | None:
    """They are few, so they are looked at one by one."""
    for (record,) in await transaction.rows(LIST_DIRECTORIES):
        other = DIRECTORY.decode(record)
        shared = [domain for domain in directory.email_domains if domain in other.email_domains]
        if other.name != directory.name and shared:
            return Conflict(what=shared[0])
    return None


async def _changed(name: DirectoryName, events: Sequence[Event], transaction: Transaction) -> Done:
    await transaction.note_change("directory", name)
    await transaction.record(events)
    return Done()
