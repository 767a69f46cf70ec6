"""Authorization codes, in PostgreSQL."""

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
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.consents import OF_GRANT
from innkeeper.server.storage.postgresql.issuance import (
    GRANT_LASTS,
    INSERT_GRANT,
    STANDS,
    is_won,
    revoke_grant,
    values_of_epochs,
    values_of_grant,
    with_family,
    with_token,
)
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.winning import IF_WON, Winning
from innkeeper.server.storage.rows import CODE, Value, to_us

READ: Final = """
SELECT a.record, g.record, g.revoked_at, u.record, coalesce(k.epoch, 0), {consents}
FROM authorization_codes a
JOIN grants g ON g.grant_id = a.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
WHERE a.code_key = $1
""".replace("{consents}", OF_GRANT)
CODE_FOLLOWS: Final = f"""
INSERT INTO authorization_codes (code_key, grant_id, expires_at, issued_by, record)
SELECT :code_key, :grant_id, :code_ends, :attempt, :code {IF_WON}
"""
ISSUED_BY: Final = "SELECT issued_by FROM authorization_codes WHERE code_key = $1"
REDEEM: Final = """
UPDATE authorization_codes AS a
SET redeemed_at = :now, redeemed_by = :attempt
WHERE a.code_key = :code_key
  AND a.redeemed_at IS NULL
  AND a.burnt_at IS NULL
  AND a.expires_at > :now
  AND {stands}
RETURNING grant_id
""".replace("{stands}", STANDS).replace(
    "{and_its_session}",
    """AND (g.bound_sid IS NULL OR EXISTS (
        SELECT 1 FROM sessions s
        WHERE s.sid = g.bound_sid AND s.idle_expires_at > :now AND s.absolute_expires_at > :now
      ))""",
)
BURN: Final = """
UPDATE authorization_codes AS a
SET burnt_at = :now, burnt_by = :attempt
WHERE a.code_key = :code_key
  AND a.redeemed_at IS NULL
  AND a.burnt_at IS NULL
  AND a.expires_at > :now
  AND EXISTS (SELECT 1 FROM grants g WHERE g.grant_id = a.grant_id AND g.revoked_at IS NULL)
RETURNING code_key
"""
WHAT_HAPPENED: Final = """
SELECT a.grant_id, a.redeemed_by, a.burnt_by, a.expires_at, g.revoked_at, g.bound_sid,
    (SELECT max(least(s.idle_expires_at, s.absolute_expires_at)) FROM sessions s WHERE s.sid = g.bound_sid)
FROM authorization_codes a LEFT JOIN grants g ON g.grant_id = a.grant_id
WHERE a.code_key = $1
"""


class PostgresCodes:
    """See `interface.Codes`."""

    def __init__(self, reader: Reader, transitions: Transitions) -> None:
        self._reader = reader
        self._transitions = transitions

    async def issue(
        self,
        code: AuthorizationCode,
        grant: Grant,
        *,
        access_token: OpaqueAccessToken | None = None,
        attempt: Attempt,
        events: Sequence[Event],
    ) -> Done | Stale:
        run = partial(_issue, code, grant, access_token, attempt, AuditRows(events))
        return await self._transitions.at_once(run)

    async def read(self, key: HandleKey) -> CodeAndGrant | None:
        row = await self._reader.row(READ, (key,))
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
        audits = (AuditRows(redeemed), AuditRows(replayed))
        run = partial(_redeem, key, attempt, now, epochs, access_token, family, *audits)
        return await self._transitions.at_once(run)

    async def burn(
        self, key: HandleKey, *, attempt: Attempt, now: datetime, events: Sequence[Event]
    ) -> Burnt | AlreadyRedeemed | Gone:
        return await self._transitions.at_once(partial(_burn, key, attempt, now, AuditRows(events)))


async def _issue(
    code: AuthorizationCode,
    grant: Grant,
    access_token: OpaqueAccessToken | None,
    attempt: Attempt,
    audit: AuditRows,
    statements: Statements,
) -> Done | Stale:
    issuing = Winning(INSERT_GRANT, values_of_grant(grant, None, attempt))
    values: dict[str, Value] = {
        "code_key": code.key,
        "code_ends": to_us(code.expires_at),
        "code": CODE.encode(code),
    }
    issuing.then("code", CODE_FOLLOWS, values)
    with_token(issuing, access_token)
    issuing.recorded(audit)
    if await issuing.row(statements) is not None:
        return Done()
    return Done() if await statements.row(ISSUED_BY, (code.key,)) == (attempt,) else Stale()


async def _redeem(
    key: HandleKey,
    attempt: Attempt,
    now: datetime,
    epochs: Epochs,
    access_token: OpaqueAccessToken | None,
    family: RefreshFamily | None,
    redeemed: AuditRows,
    replayed: AuditRows,
    statements: Statements,
) -> Redeemed | Replayed | Gone | Stale:
    values = {"code_key": key, "attempt": attempt, "now": to_us(now), **values_of_epochs(epochs)}
    redeeming = Winning(REDEEM, values)
    with_token(redeeming, access_token)
    if family is not None:
        with_family(redeeming, family)
        redeeming.then("lasting", GRANT_LASTS, {})
    redeeming.recorded(redeemed)
    if await is_won(redeeming, family, statements):
        return Redeemed()
    return await _not_redeemed(key, attempt, now, replayed, statements)


async def _not_redeemed(
    key: HandleKey, attempt: Attempt, now: datetime, replayed: AuditRows, statements: Statements
) -> Redeemed | Replayed | Gone | Stale:
    """A statement of its own, which sees what happened while the first one waited.

    That another attempt had the code stays true for ever, so the grant may be revoked in one more.
    """
    row = await statements.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    grant_id, redeemed_by, burnt_by, expires_us, revoked_us, bound_sid, session_ends_us = row
    if redeemed_by == attempt:
        return Redeemed()
    if redeemed_by is not None or burnt_by is not None:
        await revoke_grant(grant_id, now, replayed, statements)
        return Replayed()
    is_signed_out = bound_sid is not None and (session_ends_us is None or session_ends_us <= to_us(now))
    if revoked_us is not None or expires_us <= to_us(now) or is_signed_out:
        return Gone()
    return Stale()


async def _burn(
    key: HandleKey, attempt: Attempt, now: datetime, audit: AuditRows, statements: Statements
) -> Burnt | AlreadyRedeemed | Gone:
    burning = Winning(BURN, {"code_key": key, "attempt": attempt, "now": to_us(now)})
    burning.recorded(audit)
    if await burning.row(statements) is not None:
        return Burnt()
    row = await statements.row(WHAT_HAPPENED, (key,))
    if row is None:
        return Gone()
    _, redeemed_by, burnt_by, *_ = row
    if burnt_by == attempt:
        return Burnt()
    return Gone() if redeemed_by is None and burnt_by is None else AlreadyRedeemed()
