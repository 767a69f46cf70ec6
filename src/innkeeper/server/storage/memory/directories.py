"""Directories, in memory."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from innkeeper.server.model.directory import Directory
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Conflict, Done, Missing


class MemoryDirectories:
    """See `interface.Directories`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, name: DirectoryName) -> Directory | None:
        return self._tables.read(lambda: self._tables.directories.get(name))

    async def create(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict:
        return self._tables.transition(partial(self._create, directory, events))

    async def replace(self, directory: Directory, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._replace, directory, events))

    async def delete(self, name: DirectoryName, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return self._tables.transition(partial(self._delete, name, events))

    def _create(self, directory: Directory, events: Sequence[Event], is_retry: bool) -> Done | Conflict:
        if self._tables.has_directory(directory.name):
            return Done() if is_retry else Conflict(what="name")
        return self._taken_domain(directory) or self._put(directory, events)

    def _replace(
        self, directory: Directory, events: Sequence[Event], is_retry: bool
    ) -> Done | Conflict | Missing:
        stored = self._tables.directories.get(directory.name)
        if stored is None:
            return Missing()
        successor = replace(directory, revision=directory.revision + 1)
        if is_retry and stored == successor:
            return Done()
        if stored.revision != directory.revision:
            return Conflict(what="revision")
        return self._taken_domain(directory) or self._put(successor, events)

    def _delete(
        self, name: DirectoryName, events: Sequence[Event], is_retry: bool
    ) -> Done | Conflict | Missing:
        if name not in self._tables.directories:
            return Done() if is_retry else Missing()
        if any(user.directory == name for user in self._tables.users.values()):
            return Conflict(what="people")
        if any(issuer.directory == name for issuer in self._tables.trusted_issuers.values()):
            return Conflict(what="issuers")
        del self._tables.directories[name]
        return self._changed(name, events)

    def _put(self, directory: Directory, events: Sequence[Event]) -> Done:
        self._tables.directories[directory.name] = directory
        return self._changed(directory.name, events)

    def _changed(self, name: DirectoryName, events: Sequence[Event]) -> Done:
        self._tables.note_change("directory", name)
        self._tables.record(events)
        return Done()

    def _taken_domain(self, directory: Directory) -> Conflict | None:
        for other in self._tables.directories.values():
            shared = [domain for domain in directory.email_domains if domain in other.email_domains]
            if other.name != directory.name and shared:
                return Conflict(what=shared[0])
        return None
