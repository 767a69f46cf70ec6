"""Trusted issuers, in SQLite."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import IssuerName
from innkeeper.server.model.trusted_issuer import TrustedIssuer
from innkeeper.server.storage.outcomes import Conflict, Done, Missing
from innkeeper.server.storage.rows import TRUSTED_ISSUER
from innkeeper.server.storage.sqlite.directories import has_directory
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

GET: Final = "SELECT record FROM trusted_issuers WHERE issuer = ?1"
INSERT: Final = (
    "INSERT INTO trusted_issuers (issuer, directory, revision, record) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (issuer) DO NOTHING"
)
REPLACE: Final = """
UPDATE trusted_issuers SET directory = ?2, revision = ?3, record = ?4 WHERE issuer = ?1 AND revision = ?5
"""
DELETE: Final = "DELETE FROM trusted_issuers WHERE issuer = ?1"
OF_REVISION: Final = "SELECT 1 FROM trusted_issuers WHERE issuer = ?1 AND revision = ?2"
LIST_ISSUERS: Final = "SELECT record FROM trusted_issuers ORDER BY issuer"


class SqliteTrustedIssuers:
    """See `interface.TrustedIssuers`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, issuer: IssuerName) -> TrustedIssuer | None:
        row = self._reader.row(GET, (issuer,))
        return TRUSTED_ISSUER.decode(row[0]) if row else None

    async def create(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict:
        return await self._writer.submit(partial(_create, issuer, events))

    async def replace(self, issuer: TrustedIssuer, *, events: Sequence[Event]) -> Done | Conflict | Missing:
        return await self._writer.submit(partial(_replace, issuer, events))

    async def delete(self, issuer: IssuerName, *, events: Sequence[Event]) -> Done | Missing:
        return await self._writer.submit(partial(_delete, issuer, events))


def is_unmoved(issuer: IssuerName, revision: int, transaction: Transaction) -> bool:
    """Whether it is as a decision found it."""
    return transaction.row(OF_REVISION, (issuer, revision)) is not None


def _create(issuer: TrustedIssuer, events: Sequence[Event], transaction: Transaction) -> Done | Conflict:
    if transaction.row(GET, (issuer.issuer,)) is not None:
        return Done() if transaction.is_retry else Conflict(what="issuer")
    if not has_directory(issuer.directory, transaction):
        return Conflict(what="directory")
    values = (issuer.issuer, issuer.directory, issuer.revision, TRUSTED_ISSUER.encode(issuer))
    transaction.change(INSERT, values)
    return _changed(issuer.issuer, events, transaction)


def _replace(
    issuer: TrustedIssuer, events: Sequence[Event], transaction: Transaction
) -> Done | Conflict | Missing:
    stored = transaction.row(GET, (issuer.issuer,))
    if stored is None:
        return Missing()
    successor = replace(issuer, revision=issuer.revision + 1)
    record = TRUSTED_ISSUER.encode(successor)
    if transaction.is_retry and stored[0] == record:
        return Done()
    if TRUSTED_ISSUER.decode(stored[0]).revision != issuer.revision:
        return Conflict(what="revision")
    if not has_directory(issuer.directory, transaction):
        return Conflict(what="directory")
    values = (issuer.issuer, issuer.directory, successor.revision, record, issuer.revision)
    transaction.change(REPLACE, values)
    return _changed(issuer.issuer, events, transaction)


def _delete(issuer: IssuerName, events: Sequence[Event], transaction: Transaction) -> Done | Missing:
    if not transaction.change(DELETE, (issuer,)):
        return Done() if transaction.is_retry else Missing()
    return _changed(issuer, events, transaction)


def _changed(issuer: IssuerName, events: Sequence[Event], transaction: Transaction) -> Done:
    transaction.note_change("trusted_issuer", issuer)
    transaction.record(events)
    return Done()
