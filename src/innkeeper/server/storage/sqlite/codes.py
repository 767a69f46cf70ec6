"""Authorization codes, in SQLite."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.authorization_code import AuthorizationCode
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.storage.columns import consents_in, grant_of, user_of
from innkeeper.server.storage.outcomes import (
    AlreadyRedeemed,
    Burnt,
    CodeAndGrant,
    Done,
    Gone,
    Redeemed,
    Replayed,
    Stale,
)
from innkeeper.server.storage.rows import CODE, to_us
from innkeeper.server.storage.sqlite.consents import OF_GRANT
from innkeeper.server.storage.sqlite.issuance import (
    add_family,
    insert_access_token,
    insert_grant,
    revoke_grant,
)
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

READ: Final = """
SELECT a.record, g.record, g.revoked_at, u.record, coalesce(k.epoch, 0), {consents}
FROM authorization_codes a
JOIN grants g ON g.grant_id = a.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
WHERE a.code_key = ?1
""".replace("{consents}", OF_GRANT)
ISSUE_CODE: Final = (
    "INSERT INTO authorization_codes (code_key, grant_id, expires_at, issued_by, record)"
    " VALUES (?1, ?2, ?3, ?4, ?5)"
)
ISSUED_BY: Final = "SELECT issued_by FROM authorization_codes WHERE code_key = ?1"
REDEEM: Final = """
UPDATE authorization_codes AS a
SET redeemed_at = ?2, redeemed_by = ?3
WHERE a.code_key = ?1
  AND a.redeemed_at IS NULL
  AND a.burnt_at IS NULL
  AND a.expires_at > ?2
  AND EXISTS (
    SELECT 1 FROM grants g
    JOIN clients c ON c.client_id = g.client_id
    JOIN users u ON u.user_id = g.user_id
    LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
    WHERE g.grant_id = a.grant_id AND g.revoked_at IS NULL
      AND (g.bound_sid IS NULL OR EXISTS (
        SELECT 1 FROM sessions s
        WHERE s.sid = g.bound_sid AND s.idle_expires_at > ?2 AND s.absolute_expires_at > ?2
      ))
      AND c.is_enabled = 1 AND c.revision = ?4 AND c.epoch = ?5
      AND u.is_enabled = 1 AND u.epoch = ?6
      AND coalesce(k.epoch, 0) = ?7
  )
"""
BURN: Final = """
UPDATE authorization_codes AS a
SET burnt_at = ?2, burnt_by = ?3
WHERE a.code_key = ?1
  AND a.redeemed_at IS NULL
  AND a.burnt_at IS NULL
  AND a.expires_at > ?2
  AND EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = a.grant_id AND g.revoked_at IS NULL)
"""
WHAT_HAPPENED: Final = """
SELECT a.grant_id, a.redeemed_by, a.burnt_by, a.expires_at, g.revoked_at, g.bound_sid,
    (SELECT max(min(s.idle_expires_at, s.absolute_expires_at)) FROM sessions s WHERE s.sid = g.bound_sid)
FROM authorization_codes a LEFT JOIN grants g ON g.grant_id = a.grant_id
WHERE a.code_key = ?1
"""


class SqliteCodes:
    """See `interface.Codes`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def issue(
        self,
        code: AuthorizationCode,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None = None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        return await self._writer.submit(partial(_issue, code, grant, access_token, attempt, events))

    async def read(self, key: HandleKey) -> CodeAndGrant | None:
        row = self._reader.row(READ, (key,))
        if row is None:
            return None
        code, grant_record, revoked_us, user, consent_epoch, consents = row
        return CodeAndGrant(
            code=CODE.decode(code),
            grant=grant_of(grant_record, revoked_us),
            user=user_of(user),
            consent_epoch=consent_epoch,
            consents=consents_in(consents),
        )

    async def redeem(
        self,
        key: HandleKey,
        *,
        attempt: Attempt,
        now: datetime,
        epochs: Epochs,
        access_token: OpaqueAccessToken | None,
        family: RefreshFamily | None = None,
        redeemed: Sequence[Event],
        replayed: Sequence[Event],
    ) -> Redeemed | Replayed | Gone | Stale:
        run = partial(_redeem, key, attempt, now, epochs, access_token, family, redeemed, replayed)
        return await self._writer.submit(run)

    async def burn(
        self, key: HandleKey, *, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Burnt | AlreadyRedeemed | Gone:
        return await self._writer.submit(partial(_burn, key, attempt, now, events))


def _issue(
    code: AuthorizationCode,
    grant: Grant,
    access_token: OpaqueAccessToken | None,
    attempt: Attempt,
    events: Sequence[Event],
    transaction: Transaction,
) -> Done | Stale:
    if not insert_grant(grant, attempt, transaction):
        return Done() if transaction.row(ISSUED_BY, (code.key,)) == (attempt,) else Stale()
    values = (code.key, grant.grant_id, to_us(code.expires_at), attempt, CODE.encode(code))
    transaction.change(ISSUE_CODE, values)
    insert_access_token(access_token, transaction)
    transaction.record(events)
    return Done()


def _redeem(
    key: HandleKey,
    attempt: Attempt,
    now: datetime,
    epochs: Epochs,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    redeemed: Sequence[Event],
    replayed: Sequence[Event],
    transaction: Transaction,
) -> Redeemed | Replayed | Gone | Stale:
    basis = (epochs.client_revision, epochs.client_epoch, epochs.user_epoch, epochs.consent_epoch)
    if not transaction.change(REDEEM, (key, to_us(now), attempt, *basis)):
        return _not_redeemed(key, attempt, now, replayed, transaction)
    insert_access_token(access_token, transaction)
    add_family(family, transaction)
    transaction.record(redeemed)
    return Redeemed()


def _not_redeemed(
    key: HandleKey, attempt: Attempt, now: datetime, replayed: Sequence[Event], transaction: Transaction
) -> Redeemed | Replayed | Gone | Stale:
    row = transaction.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    grant_id, redeemed_by, burnt_by, expires_us, revoked_us, bound_sid, session_ends_us = row
    if redeemed_by == attempt:
        return Redeemed()
    if redeemed_by is not None or burnt_by is not None:
        revoke_grant(grant_id, now, replayed, transaction)
        return Replayed()
    is_signed_out = bound_sid is not None and (session_ends_us is None or session_ends_us <= to_us(now))
    if revoked_us is not None or expires_us <= to_us(now) or is_signed_out:
        return Gone()
    return Stale()


def _burn(
    key: HandleKey, attempt: Attempt, now: datetime, events: Sequence[Event], transaction: Transaction
) -> Burnt | AlreadyRedeemed | Gone:
    if transaction.change(BURN, (key, to_us(now), attempt)):
        transaction.record(events)
        return Burnt()
    row = transaction.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    _, redeemed_by, burnt_by, *_ = row
    if burnt_by == attempt:
        return Burnt()
    return Gone() if redeemed_by is None and burnt_by is None else AlreadyRedeemed()
