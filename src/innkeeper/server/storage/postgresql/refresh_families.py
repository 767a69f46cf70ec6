"""Refresh families, in PostgreSQL: a rotation is one UPDATE in place, guarded by the generation."""

from collections.abc import Awaitable, Callable, Sequence
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
    StoreUnavailable,
)
from innkeeper.server.storage.overlaps import FORESEEN_US, is_in_time
from innkeeper.server.storage.postgresql.audit import AuditRows
from innkeeper.server.storage.postgresql.consents import OF_GRANT
from innkeeper.server.storage.postgresql.issuance import STANDS, revoke_grant, values_of_epochs, with_token
from innkeeper.server.storage.postgresql.reader import Reader
from innkeeper.server.storage.postgresql.statements import Statements
from innkeeper.server.storage.postgresql.transitions import Transitions
from innkeeper.server.storage.postgresql.troubles import Troubles
from innkeeper.server.storage.postgresql.untold import mark_untold
from innkeeper.server.storage.postgresql.winning import Winning
from innkeeper.server.storage.rows import Value, to_us

LIVING: Final = "SELECT generation FROM won"
_COLUMNS: Final = (
    'f.record, f.generation, f.idle_expires_at, f.rotated_at, f.rotated_by, f."overlaps", f.is_rotating,'
    " f.untold_generation"
)
READ: Final = """
SELECT {columns}, g.record, g.revoked_at, u.record, coalesce(k.epoch, 0), {consents}
FROM refresh_families f
JOIN grants g ON g.grant_id = f.grant_id
LEFT JOIN users u ON u.user_id = g.user_id
LEFT JOIN consents k ON k.user_id = g.user_id AND k.client_id = g.client_id AND k.api = g.api
WHERE f.family_key = $1
""".replace("{columns}", _COLUMNS).replace("{consents}", OF_GRANT)
_STANDS: Final = STANDS.replace("{and_its_session}", "")
# Whether an old token comes soon enough is judged by one clock for all nodes: the database's, as the transition runs.
# Only where that one has gone back it is the node's, which never does (F17). The nodes agree to within a second, so
# that no node's clock is asked as long as the database's is right.
_AGREED_US: Final = 1_000_000
_JUDGED_AT: Final = """coalesce(
    CAST({caller} AS BIGINT),
    greatest(CAST(extract(epoch FROM now()) * 1000000 AS BIGINT), CAST({now} AS BIGINT) - {agreed})
)""".replace("{agreed}", str(_AGREED_US))
_JUDGED: Final = _JUDGED_AT.replace("{caller}", ":judged_at").replace("{now}", ":now")
_UNTOLD: Final = "a.untold_generation = a.generation"
_IN_TIME: Final = (
    "a.rotated_at > {judged_at} - CAST(:overlap AS BIGINT) AND a.rotated_at < {judged_at} + {foreseen}"
).replace("{foreseen}", str(FORESEEN_US))
# Never twice by one attempt: a statement whose answer was lost may still be under way.
ROTATE: Final = """
UPDATE refresh_families AS a
SET generation = generation + CAST(:is_rotating AS SMALLINT), is_rotating = CAST(:is_rotating AS SMALLINT),
    rotated_at = {judged_at}, rotated_by = :attempt, "overlaps" = 0,
    untold_generation = NULL, idle_expires_at = least(:idles, absolute_expires_at)
WHERE a.family_key = :family_key AND a.generation = :presented
  AND (a.rotated_by IS NULL OR a.rotated_by <> :attempt)
  AND a.idle_expires_at > :now AND a.absolute_expires_at > :now
  AND {stands}
RETURNING generation
""".replace("{stands}", _STANDS).replace("{judged_at}", _JUDGED)
# Where nothing is forgiven, somebody who began before the winner and arrived after it is not forgiven either. Whoever
# is told first of a rotation is its winner from now on, should that answer be lost as well.
OVERLAP: Final = (
    """
UPDATE refresh_families AS a
SET "overlaps" = CASE WHEN {is_first} THEN 0 ELSE "overlaps" + 1 END,
    rotated_at = CASE WHEN {is_first} THEN {judged_at} ELSE rotated_at END,
    rotated_by = CASE WHEN {is_first} THEN CAST(:attempt AS BYTEA) ELSE rotated_by END,
    untold_generation = NULL
WHERE a.family_key = :family_key AND a.generation = CAST(:presented AS BIGINT) + 1
  AND a.rotated_by <> :attempt
  AND a.idle_expires_at > :now AND a.absolute_expires_at > :now
  AND ({untold} OR (
    CAST(:overlap AS BIGINT) > 0 AND a."overlaps" < :most
    AND (CAST(:was_living AS SMALLINT) = 1 OR ({in_time}))
  ))
  AND {stands}
RETURNING generation
""".replace("{stands}", _STANDS)
    .replace("{is_first}", "{untold} OR NOT ({in_time})")
    .replace("{untold}", _UNTOLD)
    .replace("{in_time}", _IN_TIME)
    .replace("{judged_at}", _JUDGED)
)
WHAT_HAPPENED: Final = """
SELECT f.grant_id, f.generation, f.rotated_at, f.rotated_by, f."overlaps",
       least(f.idle_expires_at, f.absolute_expires_at), g.revoked_at, {judged_at},
       f.untold_generation
FROM refresh_families f JOIN grants g ON g.grant_id = f.grant_id
WHERE f.family_key = $1
""".replace("{judged_at}", _JUDGED_AT.replace("{caller}", "$2").replace("{now}", "$3"))
OF_USER: Final = """
SELECT {columns} FROM refresh_families f
WHERE f.user_id = $1 AND (CAST($2 AS TEXT) IS NULL OR f.client_id = $2) ORDER BY f.family_key
""".replace("{columns}", _COLUMNS)


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """One presentation of a refresh token, as the transition is asked to judge it."""

    key: HandleKey
    presented: int
    attempt: Attempt
    now: datetime
    judged_at_us: int | None
    overlap: timedelta
    is_rotating: bool
    idle_expires_at: datetime
    epochs: Epochs
    was_living: bool
    access_token: OpaqueAccessToken | None
    rotated: AuditRows
    overlapped: AuditRows
    reused: AuditRows
    ahead: AuditRows


# The generation that lives after this rotation, if it went through together with others.
Batched = Callable[[Rotation], Awaitable[int | None]]


class PostgresRefreshFamilies:
    """See `interface.RefreshFamilies`."""

    def __init__(
        self,
        reader: Reader,
        transitions: Transitions,
        *,
        judges_by_caller: bool = False,
        batched: Batched | None = None,
    ) -> None:
        self._reader = reader
        self._batched = batched
        self._transitions = transitions
        self._judges_by_caller = judges_by_caller

    async def read(self, key: HandleKey) -> FamilyAndGrant | None:
        row = await self._reader.row(READ, (key,))
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
            judged_at_us=to_us(now) if self._judges_by_caller else None,
            overlap=overlap,
            is_rotating=is_rotating,
            idle_expires_at=idle_expires_at,
            epochs=epochs,
            was_living=was_living,
            access_token=access_token,
            rotated=AuditRows(rotated),
            overlapped=AuditRows(overlapped),
            reused=AuditRows(reused),
            ahead=AuditRows(ahead),
        )
        if self._batched is not None and (generation := await self._batched(rotation)) is not None:
            return Rotated(generation=generation)
        outcome = await self._transitions.at_once(partial(_rotate, rotation, self._transitions.troubles))
        if outcome is None:
            raise StoreUnavailable(
                "PostgreSQL was away: whether somebody knows of the last rotation is not sure"
            )
        return outcome

    async def untold(self, key: HandleKey, *, attempt: Attempt, events: Sequence[Event]) -> Done | Missing:
        return await self._transitions.together(partial(mark_untold, key, attempt, AuditRows(events)))

    async def of(self, user_id: Subject, client_id: ClientId | None = None) -> tuple[RefreshFamily, ...]:
        return tuple(family_of(row) for row in await self._reader.scan(OF_USER, (user_id, client_id)))


async def _rotate(
    rotation: Rotation, troubles: Troubles, statements: Statements
) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale | None:
    values = values_of_rotation(rotation)
    rotating = Winning(ROTATE, values)
    with_token(rotating, rotation.access_token)
    rotating.recorded(rotation.rotated)
    moved = await rotating.row(statements, LIVING)
    if moved is not None:
        return Rotated(generation=moved[0])
    forgiven = {
        "overlap": _overlap_us(rotation),
        "most": MAX_OVERLAPS,
        "was_living": int(rotation.was_living),
    }
    again = Winning(OVERLAP, values | forgiven)
    with_token(again, rotation.access_token)
    again.recorded(rotation.overlapped)
    living = await again.row(statements, LIVING)
    if living is not None:
        return Overlapped(generation=living[0])
    return await _not_rotated(rotation, troubles, statements)


def values_of_rotation(rotation: Rotation) -> dict[str, Value]:
    """For `ROTATE`."""
    return {
        "family_key": rotation.key,
        "presented": rotation.presented,
        "attempt": rotation.attempt,
        "now": to_us(rotation.now),
        "judged_at": rotation.judged_at_us,
        "is_rotating": int(rotation.is_rotating),
        "idles": to_us(rotation.idle_expires_at),
        **values_of_epochs(rotation.epochs),
    }


def _overlap_us(rotation: Rotation) -> int:
    return rotation.overlap // timedelta(microseconds=1)


async def _not_rotated(
    rotation: Rotation, troubles: Troubles, statements: Statements
) -> Rotated | OverlapSpent | Reused | Gone | Stale | None:
    """A generation only grows, so what is too old now stays so until the grant is revoked in one more statement.

    None: nobody can say yet. Who was told 503 by another node comes here, too, before that node has said so.
    """
    now_us = to_us(rotation.now)
    row = await statements.row(WHAT_HAPPENED, (rotation.key, rotation.judged_at_us, now_us))
    if row is None:
        return Gone()
    grant_id, generation, rotated_us, rotated_by, overlaps, ends_us, revoked_us, judged_at_us, untold = row
    if rotated_by == rotation.attempt:
        return Rotated(generation=generation)
    if revoked_us is not None or ends_us <= now_us:
        return Gone()
    overlap_us = _overlap_us(rotation)
    is_soon = is_in_time(rotated_us, judged_at_us, overlap_us) or (rotation.was_living and overlap_us > 0)
    is_untold = untold == generation
    is_before = rotation.presented == generation - 1
    if is_before and is_soon and overlaps >= MAX_OVERLAPS and not is_untold:
        return OverlapSpent()
    if rotation.presented == generation or (is_before and (is_soon or is_untold)):
        return Stale()
    if is_before and troubles.are_recent:
        return None
    is_ahead = rotation.presented > generation
    await revoke_grant(grant_id, rotation.now, rotation.ahead if is_ahead else rotation.reused, statements)
    return Reused(is_ahead=is_ahead)
