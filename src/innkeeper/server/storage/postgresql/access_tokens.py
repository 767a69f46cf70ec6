"""Access tokens and what they stand on, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.identifiers import ClientId, HandleKey
from innkeeper.server.storage.columns import client_standing_of, standing_of
from innkeeper.server.storage.outcomes import ClientStanding, Done, OpaqueStanding, Stale
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import Winning
from innkeeper.server.storage.rows import ACCESS_TOKEN, Value, to_us

ISSUE: Final = """
INSERT INTO access_tokens (token_key, grant_id, client_id, expires_at, record)
SELECT :token_key, :grant_id, :client_id, :expires_at, :record
FROM clients c
WHERE c.client_id = :client_id AND c.is_enabled = 1 AND c.revision = :revision AND c.epoch = :epoch
ON CONFLICT (token_key) DO NOTHING RETURNING token_key
"""
EXISTS: Final = "SELECT 1 FROM access_tokens WHERE token_key = $1"
OPAQUE_STANDING: Final = """
SELECT g.record, g.revoked_at, u.record, c.epoch, coalesce(k.epoch, 0), d.token_key IS NOT NULL,
    (SELECT max(least(s.idle_expires_at, s.absolute_expires_at)) FROM sessions s WHERE s.sid = g.bound_sid),
    t.record, c.tokens_not_before
FROM access_tokens t
LEFT JOIN grants g ON g.grant_id = t.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN clients c ON c.client_id = coalesce(g.client_id, t.client_id) AND c.is_enabled = 1
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
LEFT JOIN denied_tokens d ON d.token_key = t.token_key
WHERE t.token_key = $1
"""
CLIENT_STANDING: Final = """
SELECT c.epoch, c.tokens_not_before, EXISTS (SELECT 1 FROM denied_tokens d WHERE d.token_key = $2)
FROM (SELECT 1) LEFT JOIN clients c ON c.client_id = $1 AND c.is_enabled = 1
"""
DENY: Final = """
INSERT INTO denied_tokens (token_key, expires_at) VALUES (:token_key, :expires_at)
ON CONFLICT (token_key) DO NOTHING RETURNING token_key
"""


class PostgresAccessTokens:
    """See `interface.AccessTokens`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def issue(
        self, token: OpaqueAccessToken, *, client_revision: int, events: Sequence[Event]
    ) -> Done | Stale:
        return await self._transitions.at_once(partial(_issue, token, client_revision, AuditRows(events)))

    async def opaque_standing(self, key: HandleKey) -> OpaqueStanding | None:
        row = await self._reader.row(OPAQUE_STANDING, (key,))
        if row is None:
            return None
        token = ACCESS_TOKEN.decode(row[7])
        if token.grant_id is None:
            return OpaqueStanding(token=token, standing=client_standing_of(row[3], row[8], row[5]))
        return None if row[0] is None else OpaqueStanding(token=token, standing=standing_of(row))

    async def client_standing(self, client_id: ClientId, token: HandleKey | None = None) -> ClientStanding:
        row = await self._reader.row(CLIENT_STANDING, (client_id, token))
        return client_standing_of(*(row or (None, None, False)))

    async def deny(self, token: HandleKey, *, expires_at: datetime, events: Sequence[Event]) -> Done:
        return await self._transitions.at_once(partial(_deny, token, expires_at, AuditRows(events)))


async def _issue(
    token: OpaqueAccessToken, client_revision: int, audit: AuditRows, statements: Statements
) -> Done | Stale:
    values: dict[str, Value] = {
        "token_key": token.key,
        "grant_id": token.grant_id or "",
        "client_id": token.client_id,
        "expires_at": to_us(token.expires_at),
        "record": ACCESS_TOKEN.encode(token),
        "revision": client_revision,
        "epoch": token.client_epoch,
    }
    issuing = Winning(ISSUE, values)
    issuing.recorded(audit)
    if await issuing.row(statements) is not None:
        return Done()
    return Done() if await statements.rows(EXISTS, (token.key,)) else Stale()


async def _deny(token: HandleKey, expires_at: datetime, audit: AuditRows, statements: Statements) -> Done:
    denying = Winning(DENY, {"token_key": token, "expires_at": to_us(expires_at)})
    denying.recorded(audit)
    if await denying.row(statements) is None:
        await statements.make_sure()
    return Done()
