"""Completed authorizations and the tokens that stand on them, in SQLite."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import Attempt, GrantId, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.trusted_issuer import AssertionUse
from innkeeper.server.storage.columns import standing_of
from innkeeper.server.storage.outcomes import AlreadyClaimed, Done, GrantStanding, Missing, Stale
from innkeeper.server.storage.sqlite.assertion_ids import claim, is_claimed
from innkeeper.server.storage.sqlite.issuance import (
    add_family,
    insert_access_token,
    insert_grant,
    revoke_grant,
)
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.trusted_issuers import is_unmoved
from innkeeper.server.storage.sqlite.writer import Writer

STANDING: Final = """
SELECT g.record, g.revoked_at, u.record, c.epoch, coalesce(k.epoch, 0), d.token_key IS NOT NULL,
    (SELECT max(min(s.idle_expires_at, s.absolute_expires_at)) FROM sessions s WHERE s.sid = g.bound_sid)
FROM grants g
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN clients c ON c.client_id = g.client_id AND c.is_enabled = 1
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
LEFT JOIN denied_tokens d ON d.token_key = ?2
WHERE g.grant_id = ?1
"""
OPENED_BY: Final = "SELECT opened_by FROM grants WHERE grant_id = ?1"
EXISTS: Final = "SELECT 1 FROM grants WHERE grant_id = ?1"


class SqliteGrants:
    """See `interface.Grants`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def open(
        self,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        return await self._writer.submit(partial(_open, grant, access_token, family, attempt, events))

    async def open_by_assertion(
        self,
        grant: Grant,
        *,
        assertion: AssertionUse,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale | AlreadyClaimed:
        return await self._writer.submit(
            partial(_open_by_assertion, grant, assertion, access_token, attempt, events)
        )

    async def standing(self, grant_id: GrantId, token: HandleKey | None = None) -> GrantStanding | None:
        row = self._reader.row(STANDING, (grant_id, token))
        return standing_of(row) if row else None

    async def revoke(self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]) -> Done | Missing:
        return await self._writer.submit(partial(_revoke, grant_id, now, events))


def _open(
    grant: Grant,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    attempt: Attempt,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale:
    if not insert_grant(grant, attempt, transaction):
        return Done() if transaction.row(OPENED_BY, (grant.grant_id,)) == (attempt,) else Stale()
    insert_access_token(access_token, transaction)
    add_family(family, transaction)
    transaction.record(events)
    return Done()


def _open_by_assertion(
    grant: Grant,
    assertion: AssertionUse,
    access_token: OpaqueAccessToken | None,
    attempt: Attempt,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale | AlreadyClaimed:
    if transaction.row(OPENED_BY, (grant.grant_id,)) == (attempt,):
        return Done()
    if is_claimed(assertion.digest, transaction):
        return AlreadyClaimed()
    if not is_unmoved(assertion.issuer, assertion.issuer_revision, transaction):
        return Stale()
    opened = _open(grant, access_token, None, attempt, events, transaction)
    if isinstance(opened, Done):
        claim(assertion.digest, assertion.expires_at, attempt, transaction)
    return opened


def _revoke(
    grant_id: GrantId, now: datetime, events: Sequence[Event], transaction: Transaction
) -> Done | Missing:
    if not transaction.rows(EXISTS, (grant_id,)):
        return Missing()
    revoke_grant(grant_id, now, events, transaction)
    return Done()
