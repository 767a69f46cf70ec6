"""The composition root: the only module that knows which store, which clock, which entropy."""

import asyncio
import gc
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal

from innkeeper.server.config import Database, Settings
from innkeeper.server.flows.client_keys import ClientKeys
from innkeeper.server.flows.clocks import DatabaseClock, SystemClock, is_believable, machine_time
from innkeeper.server.flows.failed_clients import FailedClients
from innkeeper.server.flows.foreign_documents import ForeignDocuments, ReadDocument
from innkeeper.server.flows.fresh import Entropy
from innkeeper.server.flows.keys import KeyRing
from innkeeper.server.flows.password_pool import PasswordPool
from innkeeper.server.flows.registry import Registry
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.services import Clock, EventSink, Services
from innkeeper.server.flows.subjects import subjects_of
from innkeeper.server.hooks import Hooks
from innkeeper.server.jobs.runner import Runner
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.master_secret import MasterSecret
from innkeeper.server.observe.log import EventLog
from innkeeper.server.protocol.grants import GRANTS, legacy_grants
from innkeeper.server.protocol.grants.base import GrantType
from innkeeper.server.storage.interface import Store
from innkeeper.server.storage.sqlite import transfer as sqlite_transfer
from innkeeper.server.storage.sqlite.store import SqliteStore
from innkeeper.server.storage.sqlite.store import open_store as open_sqlite
from innkeeper.server.storage.transfer.interface import End
from innkeeper.server.web.asgi import Front
from innkeeper.server.web.pages.failures import reporter
from innkeeper.server.web.routes import ROUTES

SQLITE_FILE: Final = Database()


class StartRefused(Exception):
    """The server must not start on this database. The message says why and what to do."""


class SystemEntropy:
    """The operating system's generator."""

    def __init__(self) -> None:
        self._counter = itertools.count(int.from_bytes(os.urandom(2), "big"))

    def random(self, length: int) -> bytes:
        """Fresh bytes."""
        return os.urandom(length)

    def counter(self) -> int:
        """Orders handles of the same second; starts anywhere, so that two processes seldom meet."""
        return next(self._counter)


async def open_store(
    path: Path, database: Database = SQLITE_FILE, *, role: Literal["serving", "command"]
) -> Store:
    """PostgreSQL where the settings name one, or else the file. Raises `StoreUnavailable`, `SchemaRefused`."""
    if database.url is None:
        return await asyncio.to_thread(open_sqlite, path, role=role)
    with _postgresql_installed():
        from innkeeper.server.storage.postgresql import open_store as open_postgresql
    return await open_postgresql(
        database.url,
        connections=database.connections,
        pooler=database.pooler,
        batching=database.batching,
    )


async def open_snapshot(path: Path, database: Database = SQLITE_FILE) -> End:
    """A database to be read as it is at this instant. Raises `StoreUnavailable`."""
    if database.url is None:
        return await asyncio.to_thread(sqlite_transfer.open_snapshot, path)
    with _postgresql_installed():
        from innkeeper.server.storage.postgresql import transfer
    return await transfer.open_snapshot(database.url, pooler=database.pooler)


async def open_alone(path: Path, database: Database = SQLITE_FILE, *, may_create: bool = False) -> End:
    """A database to be written as a whole, by nobody else. Raises `StoreUnavailable`."""
    if database.url is None:
        return await asyncio.to_thread(sqlite_transfer.open_alone, path, may_create=may_create)
    with _postgresql_installed():
        from innkeeper.server.storage.postgresql import transfer
    return await transfer.open_alone(database.url, pooler=database.pooler)


@contextmanager
def _postgresql_installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise StartRefused(
            "PostgreSQL needs a package that is not installed: pip install 'innkeeper[postgres]'"
        ) from error


async def open_backup(file: Path) -> End:
    """A new backup file. Raises FileExistsError."""
    return await asyncio.to_thread(sqlite_transfer.open_new, file)


async def open_services(
    settings: Settings,
    store: Store,
    master: MasterSecret,
    *,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    events: EventSink | None = None,
    grants: Sequence[GrantType] = GRANTS,
    read_document: ReadDocument | None = None,
    hooks: Hooks | None = None,
    accept_clock: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> Services:
    """Claims the database for this issuer and master secret, and loads what requests read. Raises `StartRefused`.

    `read_document` fetches what apps publish. `accept_clock`: go on even where the clock is far behind the last commit.
    """
    clock, entropy = clock or await _clock_of(store, accept=accept_clock), entropy or SystemEntropy()
    if isinstance(store, SqliteStore):
        store.keep_time(clock.now)
    seals = Seals(master, settings.issuer, entropy.random)
    instance = await _claim(settings, store, master, clock)
    # Stored keys outlive a change of the dev server's port: they are sealed for the database, not for its issuer.
    at_rest = Seals(master, "", entropy.random)
    subjects = await subjects_of(instance, store, at_rest, entropy)
    keys = KeyRing(at_rest)
    registry = Registry(store, await store.registry.snapshot(), keys.take, monotonic)
    keys.take(registry.snapshot)
    return Services(
        settings=settings,
        store=store,
        registry=registry,
        keys=keys,
        failed_clients=FailedClients(),
        client_keys=ClientKeys(read_document or ForeignDocuments(is_dev=settings.dev).read, clock.now),
        seals=seals,
        at_rest=at_rest,
        subjects=subjects,
        clock=clock,
        entropy=entropy,
        passwords=PasswordPool(settings.sign_in),
        events=events or EventLog(),
        grants=(*grants, *legacy_grants(settings.legacy)),
        hooks=hooks or Hooks(),
    )


async def _clock_of(store: Store, *, accept: bool) -> Clock:
    """The database's, or the machine's where it has none; never behind the last commit, unless that is accepted."""
    now, last_commit = await store.time(), await store.last_commit_at()
    seen = now or machine_time()
    if not is_believable(seen, last_commit):
        if not accept:
            raise StartRefused(_wrong_clock(seen, last_commit, is_database=now is not None))
        last_commit = None
    if now is None:
        return SystemClock(last_commit)
    clock = DatabaseClock(partial(_time_of, store), last_commit)
    await clock.measure()
    return clock


async def _time_of(store: Store) -> datetime:
    now = await store.time()
    assert now is not None
    return now


def _wrong_clock(now: datetime, last_commit: datetime | None, *, is_database: bool) -> str:
    whose = "database's" if is_database else "machine's"
    seen = (
        ""
        if last_commit is None
        else f", and the database was last written to at {last_commit:%Y-%m-%d %H:%M}"
    )
    return (
        f"The {whose} clock says {now:%Y-%m-%d %H:%M} UTC{seen}. Set the clock. If the database is what was wrong,"
        " `innkeeper serve --accept-clock` starts all the same: what had expired since then may be used again."
    )


async def _claim(settings: Settings, store: Store, master: MasterSecret, clock: Clock) -> Instance:
    """One database is one issuer and one master secret; a mistake here would make sessions and keys worthless."""
    check = master.derive("master-check", "")
    assert check is not None
    wanted = Instance(issuer=settings.issuer, master_check=check, created_at=clock.now())
    stored = await store.claim_instance(wanted)
    require_owner(stored, settings, master)
    return stored


def require_owner(stored: Instance, settings: Settings, master: MasterSecret) -> None:
    """Raises `StartRefused` where the database belongs to another issuer or master secret."""
    known = [master.derive("master-check", "", key_id=key.key_id) for key in master.ring]
    if stored.master_check not in known:
        raise StartRefused(
            "This database was made with another master secret. Bring back the one that belongs to it"
            " (master.secret in its data folder, or INNKEEPER_MASTER_SECRET)."
        )
    if stored.issuer != settings.issuer and not settings.dev:
        raise StartRefused(
            f"This database belongs to the issuer {stored.issuer}, the settings say {settings.issuer}."
            " Every app and API knows the issuer by its exact spelling: set it back, or start a new data folder."
        )


def create_app(services: Services) -> Front:
    """The ASGI application. Its lifespan runs the jobs."""
    runner = Runner(services)

    async def start() -> Services:
        if isinstance(services.passwords, PasswordPool):
            services.passwords.warm()
        if isinstance(services.store, SqliteStore):
            services.store.on_foreign_commit(lambda: runner.wake("refresh_registry"))
        runner.start()
        # What is alive now stays alive: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        return services

    return Front(
        services.settings,
        ROUTES,
        services=services,
        startup=start,
        shutdown=runner.stop,
        on_error=reporter(services),
    )
