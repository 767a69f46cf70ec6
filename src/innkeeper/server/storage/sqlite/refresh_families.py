"""Refresh families, in SQLite: a rotation is one UPDATE in place, guarded by the generation."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.identifiers import Attempt, ClientId, HandleKey, Subject
from innkeeper.server.model.refresh_family import MAX_OVERLAPS, RefreshFamily
from innkeeper.server.storage.columns import consents_in, family_of, grant_of, user_of
from innkeeper.server.storage.outcomes import (
    Done,
    FamilyAndGrant,
    Gone,
    Missing,
    Overlapped,
    OverlapSpent,
    Reused,
    Rotated,
    Stale,
)
from innkeeper.server.storage.overlaps import FORESEEN_US, is_in_time
from innkeeper.server.storage.rows import to_us
from innkeeper.server.storage.sqlite.consents import OF_GRANT
from innkeeper.server.storage.sqlite.issuance import insert_access_token, revoke_grant
from innkeeper.server.storage.sqlite.reader import Reader
from innkeeper.server.storage.sqlite.transaction import Transaction
from innkeeper.server.storage.sqlite.writer import Writer

_COLUMNS: Final = (
    "f.record, f.generation, f.idle_expires_at, f.rotated_at, f.rotated_by, f.overlaps, f.is_rotating,"
    " f.untold_generation"
)
READ: Final = """
SELECT {columns}, g.record, g.revoked_at, u.record, coalesce(k.epoch, 0), {consents}
FROM refresh_families f
JOIN grants g ON g.grant_id = f.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
WHERE f.family_key = ?1
""".replace("{columns}", _COLUMNS).replace("{consents}", OF_GRANT)
# What a presentation stands on: the grant and everything that can end it.
_STANDS: Final = """
EXISTS (
    SELECT 1 FROM grants g
    JOIN clients c ON c.client_id = g.client_id
    JOIN users u ON u.user_id = g.user_id
    LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
    WHERE g.grant_id = f.grant_id AND g.revoked_at IS NULL
      AND c.is_enabled = 1 AND c.revision = ?4 AND c.epoch = ?5
      AND u.is_enabled = 1 AND u.epoch = ?6
      AND coalesce(k.epoch, 0) = ?7
  )
"""
ROTATE: Final = """
UPDATE refresh_families AS f
SET generation = generation + ?10, is_rotating = ?10, rotated_at = ?2, rotated_by = ?8, overlaps = 0,
    untold_generation = NULL, idle_expires_at = min(?9, absolute_expires_at)
WHERE f.family_key = ?1 AND f.generation = ?3
  AND f.idle_expires_at > ?2 AND f.absolute_expires_at > ?2
  AND {stands}
RETURNING generation
""".replace("{stands}", _STANDS)
_IN_TIME: Final = f"f.rotated_at > ?2 - ?8 AND f.rotated_at < ?2 + {FORESEEN_US}"
_UNTOLD: Final = "f.untold_generation = f.generation"
# Where nothing is forgiven, somebody who began before the winner and arrived after it is not forgiven either. Whoever
# is told first of a rotation is its winner from now on, should that answer be lost as well.
OVERLAP: Final = (
    """
UPDATE refresh_families AS f
SET overlaps = CASE WHEN {is_first} THEN 0 ELSE overlaps + 1 END,
    rotated_at = CASE WHEN {is_first} THEN ?2 ELSE rotated_at END,
    rotated_by = CASE WHEN {is_first} THEN ?10 ELSE rotated_by END,
    untold_generation = NULL
WHERE f.family_key = ?1 AND f.generation = ?3 + 1
  AND f.idle_expires_at > ?2 AND f.absolute_expires_at > ?2
  AND ({untold} OR (?8 > 0 AND f.overlaps < ?9 AND (?11 = 1 OR ({in_time}))))
  AND {stands}
RETURNING generation
""".replace("{stands}", _STANDS)
    .replace("{is_first}", "{untold} OR NOT ({in_time})")
    .replace("{untold}", _UNTOLD)
    .replace("{in_time}", _IN_TIME)
)
UNTOLD: Final = """
UPDATE refresh_families SET untold_generation = generation
WHERE family_key = ?1 AND rotated_by = ?2 AND overlaps = 0 AND is_rotating = 1
  AND (untold_generation IS NULL OR untold_generation <> generation)
"""
IS_UNTOLD: Final = """
SELECT 1 FROM refresh_families f WHERE f.family_key = ?1 AND f.rotated_by = ?2 AND {untold}
""".replace("{untold}", _UNTOLD)
WHAT_HAPPENED: Final = """
SELECT f.grant_id, f.generation, f.rotated_at, f.rotated_by, f.overlaps,
       min(f.idle_expires_at, f.absolute_expires_at), g.revoked_at, f.untold_generation
FROM refresh_families f JOIN grants g ON g.grant_id = f.grant_id
WHERE f.family_key = ?1
"""
OF_USER: Final = """
SELECT {columns} FROM refresh_families f
WHERE f.user_id = ?1 AND (?2 IS NULL OR f.client_id = ?2) ORDER BY f.family_key
""".replace("{columns}", _COLUMNS)


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """One presentation of a refresh token, as the transition is asked to judge it."""

    key: HandleKey
    presented: int
    attempt: Attempt
    now: datetime
    overlap: timedelta
    is_rotating: bool
    idle_expires_at: datetime
    epochs: Epochs
    was_living: bool
    access_token: OpaqueAccessToken | None
    rotated: Sequence[Event]
    overlapped: Sequence[Event]
    reused: Sequence[Event]
    ahead: Sequence[Event]


class SqliteRefreshFamilies:
    """See `interface.RefreshFamilies`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, key: HandleKey) -> FamilyAndGrant | None:
        row = self._reader.row(READ, (key,))
        if row is None:
            return None
        return FamilyAndGrant(
            family=family_of(row),
            grant=grant_of(row[8], row[9]),
            user=user_of(row[10]),
            consent_epoch=row[11],
            consents=consents_in(row[12]),
        )

    async def rotate(
        self,
        key: HandleKey,
        *,
        presented: int,
        attempt: Attempt,
        now: datetime,
        overlap: timedelta,
        is_rotating: bool,
        idle_expires_at: datetime,
        epochs: Epochs,
        was_living: bool = False,
        access_token: OpaqueAccessToken | None,
        rotated: Sequence[Event],
        overlapped: Sequence[Event],
        reused: Sequence[Event],
        ahead: Sequence[Event],
    ) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale:
        rotation = Rotation(
            key=key,
            presented=presented,
            attempt=attempt,
            now=now,
            overlap=overlap,
            is_rotating=is_rotating,
            idle_expires_at=idle_expires_at,
            epochs=epochs,
            was_living=was_living,
            access_token=access_token,
            rotated=rotated,
            overlapped=overlapped,
            reused=reused,
            ahead=ahead,
        )
        return await self._writer.submit(partial(_rotate, rotation))

    async def untold(self, key: HandleKey, *, attempt: Attempt, events: Sequence[Event]) -> Done | Missing:
        def run(transaction: Transaction) -> Done | Missing:
            if transaction.change(UNTOLD, (key, attempt)):
                transaction.record(events)
                return Done()
            return Missing() if transaction.row(IS_UNTOLD, (key, attempt)) is None else Done()

        return await self._writer.submit(run)

    async def of(self, user_id: Subject, client_id: ClientId | None = None) -> tuple[RefreshFamily, ...]:
        return tuple(family_of(row) for row in await self._reader.scan(OF_USER, (user_id, client_id)))


def _rotate(
    rotation: Rotation, transaction: Transaction
) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale:
    epochs, now_us = rotation.epochs, to_us(rotation.now)
    basis = (epochs.client_revision, epochs.client_epoch, epochs.user_epoch, epochs.consent_epoch)
    common = (rotation.key, now_us, rotation.presented, *basis)
    if transaction.is_retry:
        row = transaction.row(WHAT_HAPPENED, (rotation.key,))
        if row is not None and row[3] == rotation.attempt:
            return Rotated(generation=row[1])
    successor = (rotation.attempt, to_us(rotation.idle_expires_at), int(rotation.is_rotating))
    moved = transaction.row(ROTATE, (*common, *successor))
    if moved is not None:
        insert_access_token(rotation.access_token, transaction)
        transaction.record(rotation.rotated)
        return Rotated(generation=moved[0])
    overlap_us = rotation.overlap // timedelta(microseconds=1)
    forgiven = (overlap_us, MAX_OVERLAPS, rotation.attempt, int(rotation.was_living))
    again = transaction.row(OVERLAP, (*common, *forgiven))
    if again is not None:
        insert_access_token(rotation.access_token, transaction)
        transaction.record(rotation.overlapped)
        return Overlapped(generation=again[0])
    return _not_rotated(rotation, transaction)


def _not_rotated(
    rotation: Rotation, transaction: Transaction
) -> Rotated | OverlapSpent | Reused | Gone | Stale:
    row = transaction.row(WHAT_HAPPENED, (rotation.key,))
    if row is None:
        return Gone()
    grant_id, generation, rotated_us, rotated_by, overlaps, ends_us, revoked_us, untold = row
    if rotated_by == rotation.attempt:
        return Rotated(generation=generation)
    now_us = to_us(rotation.now)
    if revoked_us is not None or ends_us <= now_us:
        return Gone()
    overlap_us = rotation.overlap // timedelta(microseconds=1)
    is_soon = is_in_time(rotated_us, now_us, overlap_us) or (rotation.was_living and overlap_us > 0)
    is_untold = untold == generation
    is_before = rotation.presented == generation - 1
    if is_before and is_soon and overlaps >= MAX_OVERLAPS and not is_untold:
        return OverlapSpent()
    if rotation.presented == generation or (is_before and (is_soon or is_untold)):
        return Stale()
    is_ahead = rotation.presented > generation
    revoke_grant(grant_id, rotation.now, rotation.ahead if is_ahead else rotation.reused, transaction)
    return Reused(is_ahead=is_ahead)
