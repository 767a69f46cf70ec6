"""Completed authorizations and the tokens that stand on them, in PostgreSQL."""

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
from innkeeper.server.storage.postgresql.assertion_ids import is_claimed
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.issuance import (
    BASIS,
    GRANT_FOLLOWS,
    INSERT_GRANT,
    is_won,
    revoke_grant,
    values_of_grant,
    with_family,
    with_token,
)
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import Winning
from innkeeper.server.storage.rows import Value, to_us

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
CLAIM: Final = """
INSERT INTO assertion_ids (digest, expires_at, claimed_by)
SELECT :digest, :assertion_ends, :attempt
{basis}
  AND EXISTS (SELECT 1 FROM trusted_issuers i WHERE i.issuer = :issuer AND i.revision = :issuer_revision)
ON CONFLICT (digest) DO NOTHING RETURNING digest
""".replace("{basis}", BASIS)


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
        run = partial(_open, grant, access_token, family, attempt, AuditRows(events))
        return await self._transitions.at_once(run)

    async def open_by_assertion(
        self,
        grant: Grant,
        *,
        assertion: AssertionUse,
        access_token: OpaqueAccessToken | None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale | AlreadyClaimed:
        run = partial(_open_by_assertion, grant, assertion, access_token, attempt, AuditRows(events))
        return await self._transitions.at_once(run)

    async def standing(self, grant_id: GrantId, token: HandleKey | None = None) -> GrantStanding | None:
        row = await self._reader.row(STANDING, (grant_id, token))
        return standing_of(row) if row else None

    async def revoke(self, grant_id: GrantId, *, now: datetime, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.at_once(partial(_revoke, grant_id, now, AuditRows(events)))


async def _open(
    grant: Grant,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    attempt: Attempt,
    audit: AuditRows,
    statements: Statements,
) -> Done | Stale:
    opening = Winning(INSERT_GRANT, values_of_grant(grant, family, attempt))
    with_token(opening, access_token)
    if family is not None:
        with_family(opening, family)
    opening.recorded(audit)
    if await is_won(opening, family, statements):
        return Done()
    return Done() if await _is_opened_by(grant, attempt, statements) else Stale()


async def _open_by_assertion(
    grant: Grant,
    assertion: AssertionUse,
    access_token: OpaqueAccessToken | None,
    attempt: Attempt,
    audit: AuditRows,
    statements: Statements,
) -> Done | Stale | AlreadyClaimed:
    """Whoever inserts the assertion's row has it; the grant follows."""
    values: dict[str, Value] = {
        "digest": assertion.digest,
        "assertion_ends": to_us(assertion.expires_at),
        "issuer": assertion.issuer,
        "issuer_revision": assertion.issuer_revision,
    }
    opening = Winning(CLAIM, values | values_of_grant(grant, None, attempt))
    opening.then("opened", GRANT_FOLLOWS, {})
    with_token(opening, access_token)
    opening.recorded(audit)
    if await opening.row(statements) is not None or await _is_opened_by(grant, attempt, statements):
        return Done()
    return AlreadyClaimed() if await is_claimed(assertion.digest, statements) else Stale()


async def _is_opened_by(grant: Grant, attempt: Attempt, statements: Statements) -> bool:
    return await statements.row(OPENED_BY, (grant.grant_id,)) == (attempt,)


async def _revoke(
    grant_id: GrantId, now: datetime, audit: AuditRows, statements: Statements
) -> Done | Missing:
    return Done() if await revoke_grant(grant_id, now, audit, statements) else Missing()
