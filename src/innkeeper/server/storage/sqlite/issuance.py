"""Rows that transitions of several nouns insert or end: grants, access tokens, refresh families."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import Attempt, GrantId
from innkeeper.server.model.refresh_family import MAX_FAMILIES, RefreshFamily
from innkeeper.server.storage.rows import ACCESS_TOKEN, FAMILY, GRANT, to_us
from innkeeper.server.storage.sqlite.transaction import Transaction

INSERT_GRANT: Final = """
INSERT INTO grants (grant_id, client_id, user_id, api, expires_at, opened_by, record, bound_sid)
SELECT ?1, ?2, ?3, ?4, ?5, ?11, ?6, ?13
FROM clients c
JOIN users u ON u.user_id = ?3
LEFT JOIN consents k ON k.user_id = ?3 AND k.client_id = ?2 AND k.api = ?4
WHERE c.client_id = ?2
  AND c.is_enabled = 1 AND c.revision = ?7 AND c.epoch = ?8
  AND u.is_enabled = 1 AND u.epoch = ?9
  AND coalesce(k.epoch, 0) = ?10
  AND (?12 IS NULL OR EXISTS (SELECT 1 FROM sessions s WHERE s.sid = ?12))
ON CONFLICT (grant_id) DO NOTHING
"""
INSERT_TOKEN: Final = (
    "INSERT INTO access_tokens (token_key, grant_id, client_id, expires_at, record)"
    " VALUES (?1, ?2, ?3, ?4, ?5)"
)
REVOKE: Final = "UPDATE grants SET revoked_at = ?2 WHERE grant_id = ?1 AND revoked_at IS NULL"
INSERT_FAMILY: Final = """
INSERT INTO refresh_families (family_key, grant_id, client_id, user_id, generation, is_rotating,
    idle_expires_at, absolute_expires_at, overlaps, record)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)
"""
EXTEND_GRANT: Final = "UPDATE grants SET expires_at = max(expires_at, ?2) WHERE grant_id = ?1"
COUNT_FAMILIES: Final = "SELECT count(*) FROM refresh_families WHERE user_id = ?1 AND client_id = ?2"
# Never the newcomer; of the others first those that are dead, then those that end first.
EVICT: Final = """
DELETE FROM refresh_families WHERE family_key IN (
    SELECT f.family_key FROM refresh_families f JOIN grants g ON g.grant_id = f.grant_id
    WHERE f.user_id = ?1 AND f.client_id = ?2 AND f.family_key <> ?3
    ORDER BY (g.revoked_at IS NULL AND f.idle_expires_at > ?4) DESC, f.family_key DESC
    LIMIT -1 OFFSET ?5
)
"""


def insert_grant(grant: Grant, attempt: Attempt, transaction: Transaction) -> bool:
    """If everything that the decision was based on is as it was."""
    epochs = grant.epochs
    whose = (grant.grant_id, grant.client_id, grant.user_id, grant.api or "")
    basis = (epochs.client_revision, epochs.client_epoch, epochs.user_epoch, epochs.consent_epoch)
    values = (
        *whose,
        to_us(grant.expires_at),
        GRANT.encode(grant),
        *basis,
        attempt,
        grant.sid,
        grant.bound_to,
    )
    return transaction.change(INSERT_GRANT, values) == 1


def insert_access_token(token: OpaqueAccessToken | None, transaction: Transaction) -> None:
    """With the transition that gives it out; JWTs have no row."""
    if token is not None:
        values = (
            token.key,
            token.grant_id,
            token.client_id,
            to_us(token.expires_at),
            ACCESS_TOKEN.encode(token),
        )
        transaction.change(INSERT_TOKEN, values)


def revoke_grant(grant_id: GrantId, now: datetime, events: Sequence[Event], transaction: Transaction) -> None:
    """Once: what was revoked before keeps its instant and leaves no second audit row."""
    if transaction.change(REVOKE, (grant_id, to_us(now))):
        transaction.record(events)


def add_family(family: RefreshFamily | None, transaction: Transaction) -> None:
    """With the transition that completes its grant, which then lasts as long. One of too many goes (R-RT10)."""
    if family is None:
        return
    whose = (family.key, family.grant_id, family.client_id, family.user_id)
    limits = (to_us(family.idle_expires_at), to_us(family.absolute_expires_at))
    state = (family.generation, int(family.is_rotating), *limits)
    transaction.change(INSERT_FAMILY, (*whose, *state, FAMILY.encode(family)))
    transaction.change(EXTEND_GRANT, (family.grant_id, limits[1]))
    [(count,)] = transaction.rows(COUNT_FAMILIES, (family.user_id, family.client_id))
    if count > MAX_FAMILIES:
        others = (family.user_id, family.client_id, family.key, to_us(family.issued_at))
        transaction.change(EVICT, (*others, MAX_FAMILIES - 1))
