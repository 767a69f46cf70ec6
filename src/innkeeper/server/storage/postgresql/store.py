"""The PostgreSQL store as a whole, and how it is opened."""

from datetime import datetime
from functools import partial
from time import time_ns
from typing import Final

from innkeeper.server.model.instance import Instance
from innkeeper.server.storage import interface
from innkeeper.server.storage.audit_row import AuditRow
from innkeeper.server.storage.counters import Counters
from innkeeper.server.storage.postgresql.access_tokens import PostgresAccessTokens
from innkeeper.server.storage.postgresql.assertion_ids import PostgresAssertionIds
from innkeeper.server.storage.postgresql.audit import audit_rows
from innkeeper.server.storage.postgresql.batches import RotationBatches
from innkeeper.server.storage.postgresql.clients import PostgresClients
from innkeeper.server.storage.postgresql.codes import PostgresCodes
from innkeeper.server.storage.postgresql.consents import PostgresConsents
from innkeeper.server.storage.postgresql.demands import refuse_several_poolers, refuse_unfit
from innkeeper.server.storage.postgresql.devices import PostgresDeviceCodes
from innkeeper.server.storage.postgresql.directories import PostgresDirectories
from innkeeper.server.storage.postgresql.grants import PostgresGrants
from innkeeper.server.storage.postgresql.leases import PostgresLeases
from innkeeper.server.storage.postgresql.links import PostgresLinks
from innkeeper.server.storage.postgresql.people import PostgresUsers
from innkeeper.server.storage.postgresql.pool import Pool
from innkeeper.server.storage.postgresql.purge import purge_of
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.refresh_families import PostgresRefreshFamilies
from innkeeper.server.storage.postgresql.registry import (
    PostgresApis,
    PostgresRegistry,
    PostgresRoles,
    PostgresSigningKeys,
)
from innkeeper.server.storage.postgresql.schema import migrate
from innkeeper.server.storage.postgresql.sessions import PostgresSessions
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.throttles import PostgresThrottles
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.troubles import Troubles
from innkeeper.server.storage.postgresql.trusted_issuers import PostgresTrustedIssuers
from innkeeper.server.storage.rows import INSTANCE, from_us

GET_INSTANCE: Final = "SELECT record FROM instance WHERE id = 1"
CLAIM_INSTANCE: Final = "UPDATE instance SET record = $1 WHERE id = 1 AND record IS NULL"
REPLACE_INSTANCE: Final = "UPDATE instance SET record = $1 WHERE id = 1"
TIME: Final = "SELECT clock_timestamp()"
NEWEST_EVENT: Final = "SELECT at FROM audit_events ORDER BY event_key DESC LIMIT 1"
PROBE: Final = "UPDATE instance SET probed_at = $1 WHERE id = 1"


async def open_store(
    url: str,
    *,
    connections: int = 10,
    pooler: bool = False,
    batching: bool = False,
    judges_by_caller: bool = False,
) -> "PostgresStore":
    """Connects and brings the schema up to date.

    `judges_by_caller`: overlaps by the caller's clock and not by the database's, for tests that set their own.
    Raises StoreUnavailable when the database cannot be had, SchemaRefused when it belongs to another version or is not
    what it has to be.
    """
    if pooler:
        refuse_several_poolers(url)
    pool = Pool(url, size=max(1, connections - 1), pooler=pooler, has_schema=False)
    try:
        await refuse_unfit(pool, pooler=pooler)
        await migrate(pool)
    except BaseException:
        await pool.close()
        raise
    pool.has_schema = True
    apart = Pool(url, size=1, pooler=pooler, has_schema=True)
    return PostgresStore(pool, apart, batching=batching, judges_by_caller=judges_by_caller)


class PostgresStore:
    """See `interface.Store`. Made by `open_store`; belongs to the event loop that opened it."""

    def __init__(
        self, pool: Pool, apart: Pool, *, batching: bool = False, judges_by_caller: bool = False
    ) -> None:
        """`apart` is for what other nodes have changed: however many requests wait, a disabled app is heard of."""
        self.counters = Counters()
        self._pool = pool
        self._apart = apart
        troubles = Troubles()
        self._reader = reader = Reader(pool, self.counters, troubles)
        self._transitions = transitions = Transitions(pool, self.counters, troubles)
        self._purge = purge_of(reader, transitions)
        self.clients: interface.Clients = PostgresClients(reader, transitions)
        self.apis: interface.Apis = PostgresApis(reader, transitions)
        self.roles: interface.Roles = PostgresRoles(reader, transitions)
        self.directories: interface.Directories = PostgresDirectories(reader, transitions)
        self.trusted_issuers: interface.TrustedIssuers = PostgresTrustedIssuers(reader, transitions)
        self.signing_keys: interface.SigningKeys = PostgresSigningKeys(reader, transitions)
        self.registry: interface.Registry = PostgresRegistry(Reader(apart, self.counters, troubles), pool)
        self.users: interface.Users = PostgresUsers(reader, transitions)
        self.throttles: interface.Throttles = PostgresThrottles(transitions)
        self.sessions: interface.Sessions = PostgresSessions(reader, transitions)
        self.consents: interface.Consents = PostgresConsents(reader, transitions)
        self.codes: interface.Codes = PostgresCodes(reader, transitions)
        self.grants: interface.Grants = PostgresGrants(reader, transitions)
        self.access_tokens: interface.AccessTokens = PostgresAccessTokens(reader, transitions)
        self.refresh_families: interface.RefreshFamilies = PostgresRefreshFamilies(
            reader,
            transitions,
            judges_by_caller=judges_by_caller,
            batched=RotationBatches(transitions).rotated if batching else None,
        )
        self.device_codes: interface.DeviceCodes = PostgresDeviceCodes(reader, transitions)
        self.links: interface.Links = PostgresLinks(reader, transitions)
        self.leases: interface.Leases = PostgresLeases(transitions)
        self.assertion_ids: interface.AssertionIds = PostgresAssertionIds(transitions)

    async def instance(self) -> Instance | None:
        row = await self._reader.row(GET_INSTANCE, ())
        return INSTANCE.decode(row[0]) if row and row[0] is not None else None

    async def claim_instance(self, instance: Instance) -> Instance:
        return await self._transitions.at_once(partial(_claim_instance, instance))

    async def replace_instance(self, instance: Instance, *, expected: Instance) -> Instance:
        return await self._transitions.submit(partial(_replace_instance, instance, expected))

    async def time(self) -> datetime | None:
        [(now,)] = await self._reader.rows(TIME, ())
        assert isinstance(now, datetime)
        return now

    async def last_commit_at(self) -> datetime | None:
        """By the newest audit row: whatever ends something leaves one."""
        row = await self._reader.row(NEWEST_EVENT, ())
        return None if row is None else from_us(row[0])

    async def probe(self) -> None:
        await self._transitions.at_once(_probe)

    async def purge(self, *, now: datetime, limit: int) -> int:
        return await self._purge.run(now, limit)

    async def audit_rows(self) -> tuple[AuditRow, ...]:
        """Every audit row, oldest first."""
        return await audit_rows(self._reader)

    def lose_next_answer(self) -> None:
        """For tests: the next COMMIT happens, its answer is lost, and the store tries again."""
        self._transitions.loses_next_answer = True

    async def close(self) -> None:
        await self._transitions.close()
        await self._pool.close()
        await self._apart.close()


async def _claim_instance(instance: Instance, statements: Statements) -> Instance:
    if await statements.change(CLAIM_INSTANCE, (INSTANCE.encode(instance),)):
        return instance
    [(record,)] = await statements.rows(GET_INSTANCE)
    return INSTANCE.decode(record)


async def _replace_instance(instance: Instance, expected: Instance, transaction: Transaction) -> Instance:
    """Compared as records: the bytes of an older version of this one differ."""
    [(record,)] = await transaction.rows(GET_INSTANCE)
    stored = None if record is None else INSTANCE.decode(record)
    if stored is not None and stored != expected:
        return stored
    await transaction.change(REPLACE_INSTANCE, (INSTANCE.encode(instance),))
    return instance


async def _probe(statements: Statements) -> None:
    await statements.change(PROBE, (time_ns() // 1000,))
