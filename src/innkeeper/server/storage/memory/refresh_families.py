"""Refresh families, in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from msgspec.structs import replace

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.events import Event
from innkeeper.server.model.grant import Epochs, Grant
from innkeeper.server.model.identifiers import Attempt, ClientId, HandleKey, Subject
from innkeeper.server.model.refresh_family import MAX_FAMILIES, MAX_OVERLAPS, RefreshFamily
from innkeeper.server.storage.memory.tables import Tables
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
from innkeeper.server.storage.overlaps import is_in_time
from innkeeper.server.storage.rows import to_us

NONE: Final = timedelta()


class MemoryRefreshFamilies:
    """See `interface.RefreshFamilies`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def read(self, key: HandleKey) -> FamilyAndGrant | None:
        return self._tables.read(partial(self._read, key))

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
        def run(is_retry: bool) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale:
            tables = self._tables
            family = tables.refresh_families.get(key)
            if family is None:
                return Gone()
            if family.rotated_by == attempt:
                return Rotated(generation=family.generation)
            grant = tables.grants[family.grant_id]
            outcome = self._judge(family, grant, presented, now, overlap, is_rotating, epochs, was_living)
            match outcome:
                case Rotated():
                    tables.refresh_families[key] = replace(
                        family,
                        generation=outcome.generation,
                        is_rotating=is_rotating,
                        rotated_at=now,
                        rotated_by=attempt,
                        overlaps=0,
                        untold_generation=None,
                        idle_expires_at=min(idle_expires_at, family.absolute_expires_at),
                    )
                    tables.record(rotated)
                case Overlapped():
                    tables.refresh_families[key] = _answered(family, attempt, now, overlap)
                    tables.record(overlapped)
                case Reused():
                    tables.revoke(grant, now, ahead if outcome.is_ahead else reused)
            if access_token is not None and isinstance(outcome, Rotated | Overlapped):
                tables.access_tokens[access_token.key] = access_token
            return outcome

        return self._tables.transition(run)

    async def untold(self, key: HandleKey, *, attempt: Attempt, events: Sequence[Event]) -> Done | Missing:
        def run(is_retry: bool) -> Done | Missing:
            family = self._tables.refresh_families.get(key)
            if family is None or family.rotated_by != attempt:
                return Missing()
            if family.overlaps or not family.is_rotating:
                return Missing()
            if not _is_untold(family):
                marked = replace(family, untold_generation=family.generation)
                self._tables.refresh_families[key] = marked
                self._tables.record(events)
            return Done()

        return self._tables.transition(run)

    async def of(self, user_id: Subject, client_id: ClientId | None = None) -> tuple[RefreshFamily, ...]:
        def run() -> tuple[RefreshFamily, ...]:
            found = [
                family
                for family in self._tables.refresh_families.values()
                if family.user_id == user_id and client_id in (None, family.client_id)
            ]
            return tuple(sorted(found, key=lambda family: family.key))

        return self._tables.read(run)

    def _read(self, key: HandleKey) -> FamilyAndGrant | None:
        tables = self._tables
        family = tables.refresh_families.get(key)
        if family is None:
            return None
        grant = tables.grants[family.grant_id]
        return FamilyAndGrant(
            family=family,
            grant=grant,
            user=tables.users.get(grant.user_id),
            consent_epoch=tables.consent_epoch(grant.user_id, grant.client_id, grant.api),
            consents=tables.consents_of(grant.user_id, grant.client_id),
        )

    def _judge(
        self,
        family: RefreshFamily,
        grant: Grant,
        presented: int,
        now: datetime,
        overlap: timedelta,
        is_rotating: bool,
        epochs: Epochs,
        was_living: bool,
    ) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale:
        if grant.revoked_at is not None or now >= min(family.idle_expires_at, family.absolute_expires_at):
            return Gone()
        if presented > family.generation:
            return Reused(is_ahead=True)
        is_before = presented == family.generation - 1
        if presented < family.generation:
            is_soon = _is_in_time(family, now, overlap) or (was_living and overlap > NONE)
            if not (is_before and (is_soon or _is_untold(family))):
                return Reused()
            if family.overlaps >= MAX_OVERLAPS and not _is_untold(family):
                return OverlapSpent()
        consent_epoch = self._tables.consent_epoch(grant.user_id, grant.client_id, grant.api)
        if not self._tables.is_current(grant.user_id, grant.client_id, epochs, consent_epoch=consent_epoch):
            return Stale()
        if presented < family.generation:
            return Overlapped(generation=family.generation)
        return Rotated(generation=family.generation + (1 if is_rotating else 0))


def _is_untold(family: RefreshFamily) -> bool:
    return family.untold_generation == family.generation


def _is_in_time(family: RefreshFamily, now: datetime, overlap: timedelta) -> bool:
    rotated_us = None if family.rotated_at is None else to_us(family.rotated_at)
    return is_in_time(rotated_us, to_us(now), overlap // timedelta(microseconds=1))


def _answered(family: RefreshFamily, attempt: Attempt, now: datetime, overlap: timedelta) -> RefreshFamily:
    """The family after one more answer for the generation before the living one."""
    if _is_untold(family) or not _is_in_time(family, now, overlap):
        return replace(family, rotated_at=now, rotated_by=attempt, overlaps=0, untold_generation=None)
    return replace(family, overlaps=family.overlaps + 1)


def add_family(tables: Tables, family: RefreshFamily | None) -> None:
    """With the transition that completes its grant, which then lasts as long. One of too many goes (R-RT10)."""
    if family is None:
        return
    grant = tables.grants[family.grant_id]
    tables.grants[grant.grant_id] = replace(
        grant, expires_at=max(grant.expires_at, family.absolute_expires_at)
    )
    tables.refresh_families[family.key] = family
    others = [
        other
        for other in tables.refresh_families.values()
        if (other.user_id, other.client_id) == (family.user_id, family.client_id) and other != family
    ]

    def is_alive(other: RefreshFamily) -> bool:
        return tables.grants[other.grant_id].revoked_at is None and other.idle_expires_at > family.issued_at

    # Never the newcomer; of the others first those that are dead, then those that end first.
    others.sort(key=lambda other: (is_alive(other), other.key), reverse=True)
    for superfluous in others[MAX_FAMILIES - 1 :]:
        del tables.refresh_families[superfluous.key]
