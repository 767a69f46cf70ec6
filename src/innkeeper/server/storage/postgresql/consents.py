"""Remembered consents, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId, Subject
from innkeeper.server.storage.consent_additions import extended, skipped
from innkeeper.server.storage.outcomes import Done, Missing, Stale
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.registry import GET_API
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.rows import API, CONSENT, GRANT

Addition = tuple[ApiIdentifier | None, Scope]
Additions = Sequence[Addition]

OF: Final = "SELECT record FROM consents WHERE user_id = $1 AND client_id = $2 ORDER BY api"
# A column beside a grant `g`: all that its person has allowed its client, as one JSON text, so that one read has it.
OF_GRANT: Final = """
(SELECT '[' || string_agg(convert_from(o.record, 'UTF8'), ',') || ']' FROM consents o
 WHERE o.user_id = g.user_id AND o.client_id = g.client_id)
"""
ONE: Final = "SELECT record FROM consents WHERE user_id = $1 AND client_id = $2 AND api = $3"
IS_CURRENT: Final = (
    "SELECT 1 FROM clients c JOIN users u ON u.user_id = $1 AND u.epoch = $5 AND u.is_enabled = 1"
    " WHERE c.client_id = $2 AND c.revision = $3 AND c.epoch = $4 AND c.is_enabled = 1"
)
PUT: Final = (
    "INSERT INTO consents (user_id, client_id, api, epoch, record) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (user_id, client_id, api) DO UPDATE SET epoch = excluded.epoch, record = excluded.record"
)
LIVING_GRANTS: Final = (
    "SELECT record FROM grants WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL"
)


class PostgresConsents:
    """See `interface.Consents`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def of(self, user_id: Subject, client_id: ClientId) -> tuple[Consent, ...]:
        return tuple(
            CONSENT.decode(record) for (record,) in await self._reader.rows(OF, (user_id, client_id))
        )

    async def allow(
        self,
        user_id: Subject,
        client_id: ClientId,
        additions: Additions,
        *,
        answered: Addition,
        epochs: Epochs,
        now: datetime,
        events: Sequence[Event],
    ) -> Done | Stale:
        run = partial(_allow, user_id, client_id, additions, answered, epochs, now, AuditRows(events))
        return await self._transitions.submit(run)

    async def revoke(
        self, user_id: Subject, client_id: ClientId, *, events: Sequence[Event]
    ) -> Done | Missing:
        return await self._transitions.submit(partial(_revoke, user_id, client_id, AuditRows(events)))


async def _allow(
    user_id: Subject,
    client_id: ClientId,
    additions: Additions,
    answered: Addition,
    epochs: Epochs,
    now: datetime,
    audit: AuditRows,
    transaction: Transaction,
) -> Done | Stale:
    basis = (user_id, client_id, epochs.client_revision, epochs.client_epoch, epochs.user_epoch)
    if not await transaction.rows(IS_CURRENT, basis):
        return Stale()
    for api, scope in additions:
        stored = await _of_this_api(user_id, client_id, api, now, transaction)
        await _put(extended(stored, scope, now), transaction)
    api, scope = answered
    stored = await _of_this_api(user_id, client_id, api, now, transaction)
    await _put(replace(stored, answered=tuple(scope)), transaction)
    await transaction.record_once(audit)
    return Done()


async def _revoke(
    user_id: Subject, client_id: ClientId, audit: AuditRows, transaction: Transaction
) -> Done | Missing:
    rows = await transaction.rows(OF, (user_id, client_id))
    consents = {consent.api: consent for consent in (CONSENT.decode(record) for (record,) in rows)}
    # A grant whose consent was skipped stands on a missing row: revoking gives it one that has moved.
    for (record,) in await transaction.rows(LIVING_GRANTS, (user_id, client_id)):
        grant = GRANT.decode(record)
        consents.setdefault(grant.api, skipped(user_id, client_id, grant.api, grant.created_at))
    for consent in consents.values():
        await _put(replace(consent, scope=(), answered=(), epoch=consent.epoch + 1), transaction)
    if not consents:
        return Missing()
    await transaction.record_once(audit)
    return Done()


async def _of_this_api(
    user_id: Subject, client_id: ClientId, api: ApiIdentifier | None, now: datetime, transaction: Transaction
) -> Consent:
    """What was allowed for an API of this name that was deleted contributes nothing but its epoch."""
    row = await transaction.row(ONE, (user_id, client_id, api or ""))
    if row is None:
        return skipped(user_id, client_id, api, now)
    stored = CONSENT.decode(row[0])
    found = None if api is None else await transaction.row(GET_API, (api,))
    if found is not None and API.decode(found[0]).is_younger_than(stored.granted_at):
        return replace(stored, scope=(), answered=(), granted_at=now)
    return stored


async def _put(consent: Consent, transaction: Transaction) -> None:
    key = (consent.user_id, consent.client_id, consent.api or "")
    await transaction.change(PUT, (*key, consent.epoch, CONSENT.encode(consent)))
