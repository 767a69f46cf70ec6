"""Rows that transitions of several nouns insert or end: grants, access tokens, refresh families."""

import logging
from datetime import datetime
from typing import Final

import asyncpg

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, GrantId
from innkeeper.server.model.refresh_family import MAX_FAMILIES, RefreshFamily
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.faults import LOST
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.winning import IF_WON, Winning
from innkeeper.server.storage.rows import ACCESS_TOKEN, FAMILY, GRANT, Value, to_us

_LOG: Final = logging.getLogger(__name__)
# Everything that a decision to grant something was based on, as it was.
BASIS: Final = """
FROM clients c
JOIN users u ON u.user_id = :user_id
LEFT JOIN consents k ON k.user_id = :user_id AND k.client_id = :client_id AND k.api = :api
WHERE c.client_id = :client_id
  AND c.is_enabled = 1 AND c.revision = :client_revision AND c.epoch = :client_epoch
  AND u.is_enabled = 1 AND u.epoch = :user_epoch
  AND coalesce(k.epoch, 0) = :consent_epoch
  AND (CAST(:sid AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM sessions s WHERE s.sid = :sid))
"""
_GRANT: Final = """
INSERT INTO grants (grant_id, client_id, user_id, api, expires_at, opened_by, record, bound_sid)
SELECT :grant_id, :client_id, :user_id, :api, :grant_ends, :attempt, :grant, :bound_sid
"""
INSERT_GRANT: Final = f"{_GRANT}{BASIS}ON CONFLICT (grant_id) DO NOTHING RETURNING grant_id"
# As a consequence of a decision that looked at the basis itself.
GRANT_FOLLOWS: Final = f"{_GRANT}{IF_WON}"
# A code, a device or a refresh token stands on its grant and on everything that can end it; `a` is its row.
STANDS: Final = """
EXISTS (
    SELECT 1 FROM grants g
    JOIN clients c ON c.client_id = g.client_id
    JOIN users u ON u.user_id = g.user_id
    LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
    WHERE g.grant_id = a.grant_id AND g.revoked_at IS NULL
      {and_its_session}
      AND c.is_enabled = 1 AND c.revision = :client_revision AND c.epoch = :client_epoch
      AND u.is_enabled = 1 AND u.epoch = :user_epoch
      AND coalesce(k.epoch, 0) = :consent_epoch
  )
"""
TOKEN_FOLLOWS: Final = f"""
INSERT INTO access_tokens (token_key, grant_id, client_id, expires_at, record)
SELECT :token_key, :token_grant_id, :token_client_id, :token_ends, :token {IF_WON}
ON CONFLICT (token_key) DO NOTHING
"""
FAMILY_FOLLOWS: Final = f"""
INSERT INTO refresh_families (family_key, grant_id, client_id, user_id, generation, is_rotating,
    idle_expires_at, absolute_expires_at, "overlaps", record)
SELECT :family_key, :family_grant_id, :family_client_id, :family_user_id, :generation, :is_rotating,
    :family_idles, :family_ends, 0, :family {IF_WON}
"""
GRANT_LASTS: Final = """
UPDATE grants SET expires_at = greatest(expires_at, :family_ends)
WHERE grant_id = :family_grant_id AND EXISTS (SELECT 1 FROM won)
"""
# Besides the newcomer, which this snapshot does not have yet.
HOW_MANY_FAMILIES: Final = """
SELECT (
    SELECT count(*) FROM refresh_families f
    WHERE f.user_id = :family_user_id AND f.client_id = :family_client_id
) FROM won
"""
# Never the newcomer; of the others first those that are dead, then those that end first.
EVICT: Final = """
DELETE FROM refresh_families WHERE family_key IN (
    SELECT f.family_key FROM refresh_families f JOIN grants g ON g.grant_id = f.grant_id
    WHERE f.user_id = $1 AND f.client_id = $2 AND f.family_key <> $3
    ORDER BY (g.revoked_at IS NULL AND f.idle_expires_at > $4) DESC, f.family_key DESC
    OFFSET $5
)
"""
REVOKE: Final = """
UPDATE grants SET revoked_at = :now WHERE grant_id = :grant_id AND revoked_at IS NULL RETURNING grant_id
"""
WAS_REVOKED: Final = "SELECT EXISTS (SELECT 1 FROM won) FROM grants WHERE grant_id = :grant_id"


def values_of_epochs(epochs: Epochs) -> dict[str, Value]:
    """What a decision was based on."""
    return {
        "client_revision": epochs.client_revision,
        "client_epoch": epochs.client_epoch,
        "user_epoch": epochs.user_epoch,
        "consent_epoch": epochs.consent_epoch,
    }


def values_of_grant(grant: Grant, family: RefreshFamily | None, attempt: Attempt) -> dict[str, Value]:
    """For `INSERT_GRANT` and `GRANT_FOLLOWS`. It lasts as long as the family that begins with it."""
    ends_at = grant.expires_at if family is None else max(grant.expires_at, family.absolute_expires_at)
    return {
        "grant_id": grant.grant_id,
        "client_id": grant.client_id,
        "user_id": grant.user_id,
        "api": grant.api or "",
        "grant_ends": to_us(ends_at),
        "attempt": attempt,
        "grant": GRANT.encode(grant),
        "sid": grant.sid,
        "bound_sid": grant.bound_to,
        **values_of_epochs(grant.epochs),
    }


def with_token(winning: Winning, token: OpaqueAccessToken | None) -> None:
    """The access token that is given out; JWTs have no row."""
    if token is not None:
        values: dict[str, Value] = {
            "token_key": token.key,
            "token_grant_id": token.grant_id,
            "token_client_id": token.client_id,
            "token_ends": to_us(token.expires_at),
            "token": ACCESS_TOKEN.encode(token),
        }
        winning.then("token", TOKEN_FOLLOWS, values)


def with_family(winning: Winning, family: RefreshFamily) -> None:
    """The refresh family that begins."""
    values: dict[str, Value] = {
        "family_key": family.key,
        "family_grant_id": family.grant_id,
        "family_client_id": family.client_id,
        "family_user_id": family.user_id,
        "generation": family.generation,
        "is_rotating": int(family.is_rotating),
        "family_idles": to_us(family.idle_expires_at),
        "family_ends": to_us(family.absolute_expires_at),
        "family": FAMILY.encode(family),
    }
    winning.then("family", FAMILY_FOLLOWS, values)


async def is_won(winning: Winning, family: RefreshFamily | None, statements: Statements) -> bool:
    """Runs it. One family too many goes afterwards (R-RT10): no statement may change a table twice."""
    if family is None:
        return await winning.row(statements) is not None
    others = await winning.row(statements, HOW_MANY_FAMILIES)
    if others is not None and others[0] >= MAX_FAMILIES:
        await _evict(family, statements)
    return others is not None


async def _evict(family: RefreshFamily, statements: Statements) -> None:
    """Whatever stands in its way: what was won is durable, and an error would say that it had not happened.

    The app would come again, and be taken for somebody who has stolen its code. The next family evicts this one, too.
    """
    whose = (family.user_id, family.client_id, family.key, to_us(family.issued_at))
    try:
        await statements.change(EVICT, (*whose, MAX_FAMILIES - 1))
    except (asyncpg.PostgresError, *LOST) as error:
        _LOG.warning("PostgreSQL: a refresh family too many was left: %s: %s", type(error).__name__, error)


async def revoke_grant(grant_id: GrantId, now: datetime, audit: AuditRows, statements: Statements) -> bool:
    """Whether there is one. What was revoked before keeps its instant and leaves no second audit row."""
    revoking = Winning(REVOKE, {"grant_id": grant_id, "now": to_us(now)})
    revoking.recorded(audit)
    found = await revoking.row(statements, WAS_REVOKED)
    if found is not None and not found[0]:
        await statements.make_sure()
    return found is not None
