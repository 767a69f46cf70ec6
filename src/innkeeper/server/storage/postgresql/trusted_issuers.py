"""Trusted issuers, in PostgreSQL."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import IssuerName
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.storage.outcomes import Conflict, Done, Missing
from innkeeper.server.storage.postgresql.directories import has_directory
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import TRUSTED_ISSUER

GET: Final = "SELECT record FROM trusted_issuers WHERE issuer = $1"
INSERT: Final = (
    "INSERT INTO trusted_issuers (issuer, directory, revision, record) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (issuer) DO NOTHING"
)
REPLACE: Final = """
UPDATE trusted_issuers SET directory = $2, revision = $3, record = $4 WHERE issuer = $1 AND revision = $5
"""
DELETE: Final = "DELETE FROM trusted_issuers WHERE issuer = $1"
OF_REVISION: Final = "SELECT 1 FROM trusted_issuers WHERE issuer = $1 AND revision = $2"
LIST_ISSUERS: Final = "SELECT record FROM trusted_issuers ORDER BY issuer"


class PostgresTrustedIssuers:
    """See `interface.TrustedIssuers`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def get(self, issuer: IssuerName) -> TrustedIssuer | None:
        row = await self._reader.row(GET, (issuer,))
        return TRUSTED_ISSUER.decode(row[0]) if row else None

    async def create(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._transitions.submit(partial(_create, issuer, events))

    async def replace(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._transitions.submit(partial(_replace, issuer, events))

    async def delete(self, issuer: IssuerName, *, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.submit(partial(_delete, issuer, events))


async def is_unmoved(issuer: IssuerName, revision: int, transaction: Transaction) -> bool:
    """Whether it is as a decision found it."""
    return await transaction.row(OF_REVISION, (issuer, revision)) is not None


async def _create(
    issuer: TrustedIssuer, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict:
    stored = await transaction.row(GET, (issuer.issuer,))
    if stored is not None:
        is_ours = transaction.is_retry and stored == (TRUSTED_ISSUER.encode(issuer),)
        return Done() if is_ours else Conflict(what="issuer")
    if not await has_directory(issuer.directory, transaction):
        return Conflict(what="directory")
    values = (issuer.issuer, issuer.directory, issuer.revision, TRUSTED_ISSUER.encode(issuer))
    await transaction.change(INSERT, values)
    return await _changed(issuer.issuer, events, transaction)


async def _replace(
    issuer: TrustedIssuer, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    stored = await transaction.row(GET, (issuer.issuer,))
    if stored is None:
        return Missing()
    successor = replace(issuer, revision=issuer.revision + 1)
    record = TRUSTED_ISSUER.encode(successor)
    if transaction.is_retry and stored[0] == record:
        return Done()
    if TRUSTED_ISSUER.decode(stored[0]).revision != issuer.revision:
        return Conflict(what="revision")
    if not await has_directory(issuer.directory, transaction):
        return Conflict(what="directory")
    values = (issuer.issuer, issuer.directory, successor.revision, record, issuer.revision)
    await transaction.change(REPLACE, values)
    return await _changed(issuer.issuer, events, transaction)


async def _delete(issuer: IssuerName, events: Sequence[Event], transaction: Transaction) -> Done | Missing:
    if not await transaction.change(DELETE, (issuer,)):
        return Done() if transaction.is_retry else Missing()
    return await _changed(issuer, events, transaction)


async def _changed(issuer: IssuerName, events: Sequence[Event], transaction: Transaction) -> Done:
    await transaction.note_change("trusted_issuer", issuer)
    await transaction.record(events)
    return Done()
