"""The SQLite store as a whole, and how it is opened."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from time import time_ns
from typing import Final, Literal

import apsw

from innkeeper.server.model.instance import Instance
from innkeeper.server.storage import interface
from innkeeper.server.storage.audit_row import AuditRow
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.outcomes import StoreUnavailable
from innkeeper.server.storage.rows import INSTANCE, from_us
from innkeeper.server.storage.sqlite.access_tokens import SqliteAccessTokens
from innkeeper.server.storage.sqlite.assertion_ids import SqliteAssertionIds
from innkeeper.server.storage.sqlite.audit import audit_rows
from innkeeper.server.storage.sqlite.clients import SqliteClients
from innkeeper.server.storage.sqlite.codes import SqliteCodes
from innkeeper.server.storage.sqlite.connection import migrate, open_writer, prepare_file
from innkeeper.server.storage.sqlite.consents import SqliteConsents
from innkeeper.server.storage.sqlite.devices import SqliteDeviceCodes
from innkeeper.server.storage.sqlite.directories import SqliteDirectories
from innkeeper.server.storage.sqlite.faults import translated
from innkeeper.server.storage.sqlite.grants import SqliteGrants
from innkeeper.server.storage.sqlite.leases import SqliteLeases
from innkeeper.server.storage.sqlite.links import SqliteLinks
from innkeeper.server.storage.sqlite.people import SqliteUsers
from innkeeper.server.storage.sqlite.purge import purge_of
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.refresh_families import SqliteRefreshFamilies
from innkeeper.server.storage.sqlite.registry import (
    SqliteApis,
    SqliteRegistry,
    SqliteRoles,
    SqliteSigningKeys,
)
from innkeeper.server.storage.sqlite.serving_lock import ServingLock, refuse_network_file_system
from innkeeper.server.storage.sqlite.sessions import SqliteSessions
from innkeeper.server.storage.sqlite.throttles import SqliteThrottles
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.trusted_issuers import SqliteTrustedIssuers
from innkeeper.server.storage.sqlite.writer import QUEUE_LIMIT, Writer
from innkeeper.server.storage.sqlite.writing_handle import STAMPED_EVERY, WritingHandle

Role = Literal["serving", "command"]
GET_INSTANCE: Final = "SELECT record FROM instance WHERE id = 1"
CLAIM_INSTANCE: Final = "UPDATE instance SET record = ?1 WHERE id = 1 AND record IS NULL"
REPLACE_INSTANCE: Final = "UPDATE instance SET record = ?1 WHERE id = 1"
LAST_STAMP: Final = "SELECT committed_at FROM instance WHERE id = 1"
PROBE: Final = "UPDATE instance SET probed_at = ?1 WHERE id = 1"
_SPARE_PAGES: Final = 16


def open_store(
    path: Path | str, *, role: Role = "serving", may_create: bool = True, queue_limit: int = QUEUE_LIMIT
) -> "SqliteStore":
    """Opens or creates the file and brings its schema up to date.

    `serving` is the one process that answers requests; `command` is a short-lived writer beside it. Raises
    StoreUnavailable when the file cannot be had, SchemaRefused when it belongs to another version.
    """
    database = Path(path)
    refuse_network_file_system(database)
    try:
        prepare_file(database, may_create=may_create)
    except OSError as error:
        raise StoreUnavailable(f"{database}: {error.strerror}") from error
    lock = ServingLock(database) if role == "serving" else None
    try:
        return SqliteStore(database, _opened(database), lock, queue_limit)
    except BaseException:
        if lock is not None:
            lock.release()
        raise


class SqliteStore:
    """See `interface.Store`. Made by `open_store`."""

    def __init__(
        self, path: Path, connection: apsw.Connection, lock: ServingLock | None, queue_limit: int
    ) -> None:
        self.path = path
        self.counters = Counters()
        self._lock = lock
        self._handle = WritingHandle(path, connection, self.counters)
        self._reader = reader = Reader(path, self.counters)
        self._writer = writer = Writer(self._handle, self.counters, queue_limit=queue_limit)
        self._purge = purge_of(reader, writer)
        self.clients: interface.Clients = SqliteClients(reader, writer)
        self.apis: interface.Apis = SqliteApis(reader, writer)
        self.roles: interface.Roles = SqliteRoles(reader, writer)
        self.directories: interface.Directories = SqliteDirectories(reader, writer)
        self.trusted_issuers: interface.TrustedIssuers = SqliteTrustedIssuers(reader, writer)
        self.signing_keys: interface.SigningKeys = SqliteSigningKeys(reader, writer)
        self.registry: interface.Registry = SqliteRegistry(reader)
        self.users: interface.Users = SqliteUsers(reader, writer)
        self.throttles: interface.Throttles = SqliteThrottles(writer)
        self.sessions: interface.Sessions = SqliteSessions(reader, writer)
        self.consents: interface.Consents = SqliteConsents(reader, writer)
        self.codes: interface.Codes = SqliteCodes(reader, writer)
        self.grants: interface.Grants = SqliteGrants(reader, writer)
        self.access_tokens: interface.AccessTokens = SqliteAccessTokens(reader, writer)
        self.refresh_families: interface.RefreshFamilies = SqliteRefreshFamilies(reader, writer)
        self.device_codes: interface.DeviceCodes = SqliteDeviceCodes(reader, writer)
        self.links: interface.Links = SqliteLinks(reader, writer)
        self.assertion_ids: interface.AssertionIds = SqliteAssertionIds(writer)
        self.leases: interface.Leases = SqliteLeases(writer)

    async def instance(self) -> Instance | None:
        row = self._reader.row(GET_INSTANCE, ())
        return INSTANCE.decode(row[0]) if row and row[0] is not None else None

    async def claim_instance(self, instance: Instance) -> Instance:
        return await self._writer.submit(partial(_claim_instance, instance))

    async def replace_instance(self, instance: Instance, *, expected: Instance) -> Instance:
        return await self._writer.submit(partial(_replace_instance, instance, expected))

    async def time(self) -> datetime | None:
        """It has no clock of its own."""
        return None

    async def last_commit_at(self) -> datetime | None:
        row = self._reader.row(LAST_STAMP, ())
        return from_us(row[0]) + STAMPED_EVERY if row and row[0] else None

    def keep_time(self, now: Callable[[], datetime]) -> None:
        """From the next commit on the file says when its last one was."""
        self._handle.now = now

    async def probe(self) -> None:
        await self._writer.submit(_probe)

    async def purge(self, *, now: datetime, limit: int) -> int:
        return await self._purge.run(now, limit)

    async def audit_rows(self) -> tuple[AuditRow, ...]:
        """Every audit row, oldest first."""
        return await audit_rows(self._reader)

    def on_foreign_commit(self, callback: Callable[[], None]) -> None:
        """Calls back, on the event loop that is running now, soon after another process has committed."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(callback)

        self._handle.on_foreign_commit = tell

    def limit_pages(self, pages: int | None) -> None:
        """The file may not grow beyond this: how tests fill the disk. Counts from the next transition."""
        self._handle.page_limit = pages

    def lose_next_answer(self) -> None:
        """For tests: the next COMMIT happens, its answer is lost, and the store tries again."""
        self._writer.loses_next_answer = True

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._reader.close()
        if self._lock is not None:
            self._lock.release()


def _opened(database: Path) -> apsw.Connection:
    try:
        connection = open_writer(database)
    except apsw.Error as error:
        raise translated(error) from error
    try:
        migrate(connection, time_ns() // 1000)
    except apsw.Error as error:
        connection.close(True)
        raise translated(error) from error
    except BaseException:
        connection.close(True)
        raise
    return connection


def _claim_instance(instance: Instance, transaction: Transaction) -> Instance:
    if transaction.change(CLAIM_INSTANCE, (INSTANCE.encode(instance),)):
        return instance
    [(record,)] = transaction.rows(GET_INSTANCE)
    return INSTANCE.decode(record)


def _replace_instance(instance: Instance, expected: Instance, transaction: Transaction) -> Instance:
    """Compared as records: the bytes of an older version of this one differ."""
    [(record,)] = transaction.rows(GET_INSTANCE)
    stored = None if record is None else INSTANCE.decode(record)
    if stored is not None and stored != expected:
        return stored
    transaction.change(REPLACE_INSTANCE, (INSTANCE.encode(instance),))
    return instance


def _probe(transaction: Transaction) -> None:
    transaction.change(PROBE, (time_ns() // 1000,))
    [(used,)], [(free,)], [(limit,)] = (
        transaction.rows(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "max_page_count")
    )
    if limit - used + free < _SPARE_PAGES:
        raise StoreUnavailable("the database has reached its size limit")
