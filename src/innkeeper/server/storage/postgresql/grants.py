"""Completed authorizations and the tokens that stand on them, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import Attempt, GrantId, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.model.trusted_issuer import AssertionUse
from innkeeper.server.storage.outcomes import AlreadyClaimed, Done, GrantStanding, Missing, Stale
from innkeeper.server.storage.postgresql.assertion_ids import claim, is_claimed
from innkeeper.server.storage.postgresql.issuance import (
    add_family,
    insert_access_token,
    insert_grant,
    revoke_grant,
)
from innkeeper.server.storage.postgresql.reader import Reader, Row
from innkeeper.server.storage.postgresql.transaction import Transaction
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.trusted_issuers import is_unmoved
from innkeeper.server.storage.rows import GRANT, USER, from_us

STANDING: Final = """
SELECT g.record, g.revoked_at, u.record, c.epoch, coalesce(k.epoch, 0), d.token_key IS NOT NULL,
    (SELECT max(least(s.idle_expires_at, s.absolute_expires_at)) FROM sessions s WHERE s.sid = g.bound_sid)
FROM grants g
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN clients c ON c.client_id = g.client_id AND c.is_enabled = 1
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
LEFT JOIN denied_tokens d ON d.token_key = $2
WHERE g.grant_id = $1
"""
OPENED_BY: Final = "SELECT opened_by FROM grants WHERE grant_id = $1"
EXISTS: Final = "SELECT 1 FROM grants WHERE grant_id = $1"


class PostgresGrants:
    """See `interface.Grants`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def open(
        self,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        return await self._transitions.submit(partial(_open, grant, access_token, family, attempt, events))

    async def open_by_assertion(
        self,
        grant: Grant,
        *,
        assertion: AssertionUse,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale | AlreadyClaimed:
        return await self._transitions.submit(
            partial(_open_by_assertion, grant, assertion, access_token, attempt, events)
        )

    async def standing(self, grant_id: GrantId, token: HandleKey | None = None) -> GrantStanding | None:
        row = await self._reader.row(STANDING, (grant_id, token))
        return standing_of(row) if row else None

    async def revoke(self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.submit(partial(_revoke, grant_id, now, events))


async def _open(
    grant: Grant,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    attempt: Attempt,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale:
    if not await insert_grant(grant, attempt, transaction):
        return Done() if await transaction.row(OPENED_BY, (grant.grant_id,)) == (attempt,) else Stale()
    await insert_access_token(access_token, transaction)
    await add_family(family, transaction)
    await transaction.record(events)
    return Done()


async def _open_by_assertion(
    grant: Grant,
    assertion: AssertionUse,
    access_token: OpaqueAccessToken | None,
    attempt: Attempt,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale | AlreadyClaimed:
    if await transaction.row(OPENED_BY, (grant.grant_id,)) == (attempt,):
        return Done()
    if await is_claimed(assertion.digest, transaction):
        return AlreadyClaimed()
    if not await is_unmoved(assertion.issuer, assertion.issuer_revision, transaction):
        return Stale()
    opened = await _open(grant, access_token, None, attempt, events, transaction)
    if isinstance(opened, Done):
        await claim(assertion.digest, assertion.expires_at, attempt, transaction)
    return opened


async def _revoke(
    grant_id: GrantId, now: datetime, events: Sequence[Event], transaction: Transaction
) -> Done | Missing:
    if not await transaction.rows(EXISTS, (grant_id,)):
        return Missing()
    await revoke_grant(grant_id, now, events, transaction)
    return Done()


def standing_of(row: Row) -> GrantStanding:
    """From the first seven columns of `STANDING`."""
    grant = GRANT.decode(row[0])
    if row[1] is not None:
        grant = replace(grant, revoked_at=from_us(row[1]))
    user = USER.decode(row[2]) if row[2] is not None else None
    return GrantStanding(
        grant=grant,
        user=user,
        client_epoch=row[3],
        consent_epoch=row[4],
        session_ends_at=None if row[6] is None else from_us(row[6]),
        is_denied=bool(row[5]),
    )
