"""Refresh families: one row each, one living generation, and what every other one does to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from innkeeper.server.model.events import AccessTokenDenied
from innkeeper.server.model.identifiers import GrantId
from innkeeper.server.storage.memory.tables import Tables
from innkeeper.server.storage.outcomes import Done, Gone, Overlapped, Redeemed, Replayed, Reused, Rotated
from innkeeper.server.storage.sqlite import access_tokens as sqlite_access_tokens
from innkeeper.server.storage.sqlite import open_store
from innkeeper.server.storage.sqlite import refresh_families as sqlite_families
from tests.contract.store import families
from tests.contract.store.builders import HOUR, NOW, AnyStore, World, a_key, a_token, an_attempt, opaque
from tests.contract.store.families import ABSOLUTE, OVERLAP, a_family, begun, rotate, row
from tests.contract.store.rivals import Rivals

Law = Callable[[World], Awaitable[None]]
LAWS: tuple[Law, ...] = (
    families.an_old_generation_ends_the_grant,
    families.only_the_last_generation_overlaps,
    families.an_overlap_is_answered_twenty_times,
    families.without_an_overlap_nobody_is_forgiven,
    families.a_spent_overlap_ends_as_any_other,
    families.a_future_generation_ends_the_grant,
    families.a_rotation_that_won_is_told_so_again,
    families.both_limits_end_a_family,
    families.no_rotation_prolongs_the_absolute_limit,
    families.moved_facts_make_a_rotation_stale,
    families.a_revoked_grant_has_no_rotation,
    families.a_family_and_a_code_are_read_with_all_that_was_allowed,
    families.a_denied_token_is_told,
    families.an_untold_rotation_is_answered_late,
    families.an_untold_rotation_is_told_in_the_audit_once,
    families.only_the_attempt_that_moved_the_family_is_untold,
    families.what_somebody_was_told_is_not_untold,
    families.an_untold_rotation_opens_only_the_generation_before,
    families.who_has_the_successor_was_told,
    families.a_rotation_that_moved_nothing_is_not_untold,
    families.an_untold_rotation_stands_on_its_grant,
    families.a_rotation_that_was_not_there_yet_is_answered_late,
    families.a_rotation_far_ahead_of_the_clock_has_no_overlap,
    families.the_answer_for_an_untold_rotation_may_be_lost_as_well,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_every_store_obeys_that(law: Law, world: World) -> None:
    await law(world)


# What is taken out of a statement, what stands there instead, and the law that must notice.
BROKEN: dict[str, tuple[str, str, str, Law]] = {
    "a rotation that does not ask for the living generation": (
        "ROTATE", "AND f.generation = ?3", "AND ?3 >= 0", families.an_old_generation_ends_the_grant
    ),
    "an overlap where there is none": (
        "OVERLAP", "?8 > 0 AND", "", families.without_an_overlap_nobody_is_forgiven
    ),
    "a rotation that does not look at the idle limit": (
        "ROTATE", "f.idle_expires_at > ?2 AND", "", families.both_limits_end_a_family
    ),
    "a rotation that prolongs the absolute limit": (
        "ROTATE", "min(?9, absolute_expires_at)", "?9", families.no_rotation_prolongs_the_absolute_limit
    ),
    "a rotation that does not look at the grant": (
        "ROTATE", "AND g.revoked_at IS NULL", "", families.a_revoked_grant_has_no_rotation
    ),
    "a rotation that ignores the client's revision": (
        "ROTATE", "AND c.revision = ?4", "", families.moved_facts_make_a_rotation_stale
    ),
    "a rotation that ignores the person's epoch": (
        "ROTATE", "AND u.epoch = ?6", "", families.moved_facts_make_a_rotation_stale
    ),
    "a rotation that forgets who won": (
        "ROTATE", "rotated_by = ?8", "rotated_by = substr(?8, 9)", families.a_rotation_that_won_is_told_so_again
    ),
    "an overlap that does not end": (
        "OVERLAP", "f.rotated_at > ?2 - ?8", "?8 >= 0", families.an_old_generation_ends_the_grant
    ),
    "an overlap for any older generation": (
        "OVERLAP", "AND f.generation = ?3 + 1", "AND f.generation > ?3",
        families.only_the_last_generation_overlaps,
    ),
    "an overlap that is not counted": (
        "OVERLAP", "ELSE overlaps + 1 END", "ELSE 0 END", families.an_overlap_is_answered_twenty_times
    ),
    "an overlap that a clock keeps open": (
        "OVERLAP", "f.rotated_at < ?2 +", "f.rotated_at < 60 * ?2 +",
        families.a_rotation_far_ahead_of_the_clock_has_no_overlap
    ),
    "an untold rotation that stays open": (
        "OVERLAP", "untold_generation = NULL", "untold_generation = generation",
        families.an_untold_rotation_is_answered_late
    ),
    "an untold rotation that opens a later one": (
        "ROTATE", "untold_generation = NULL,", "", families.who_has_the_successor_was_told
    ),
    "an untold rotation of another attempt": (
        "UNTOLD", "AND rotated_by = ?2", "AND ?2 <> x'00'",
        families.only_the_attempt_that_moved_the_family_is_untold
    ),
    "an untold rotation that somebody knows": (
        "UNTOLD", "AND overlaps = 0", "", families.what_somebody_was_told_is_not_untold
    ),
    "an untold rotation that was none": (
        "UNTOLD", "AND is_rotating = 1", "", families.a_rotation_that_moved_nothing_is_not_untold
    ),
    "an overlap on yesterday's facts": (
        "OVERLAP", "AND u.epoch = ?6", "", families.moved_facts_make_a_rotation_stale
    ),
}  # fmt: skip


async def the_law_is_broken(law: Law, database: Path) -> None:
    store = open_store(database)
    try:
        world = await World(store).build()
        with pytest.raises(AssertionError):
            await law(world)
    finally:
        await store.close()


@pytest.mark.parametrize("name", BROKEN)
async def test_the_contract_catches(name: str, monkeypatch: pytest.MonkeyPatch, database: Path) -> None:
    statement, condition, instead, law = BROKEN[name]
    whole: str = getattr(sqlite_families, statement)
    assert condition in whole, "the statement has changed: take the condition out of the new one"
    monkeypatch.setattr(sqlite_families, statement, whole.replace(condition, instead))
    await the_law_is_broken(law, database)


async def test_the_contract_catches_a_reuse_that_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.setattr(sqlite_families, "revoke_grant", lambda *arguments: None)
    await the_law_is_broken(families.an_old_generation_ends_the_grant, database)


async def test_the_contract_catches_a_store_that_forgets_what_was_denied(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    broken = sqlite_access_tokens.DENY.replace("VALUES (?1,", "VALUES (x'00',")
    monkeypatch.setattr(sqlite_access_tokens, "DENY", broken)
    await the_law_is_broken(families.a_denied_token_is_told, database)


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_the_contract_catches_a_memory_store_that_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tables, "revoke", lambda *arguments: None)
    with pytest.raises(AssertionError):
        await families.an_old_generation_ends_the_grant(world)


# ------------------------------------------------------------ races


async def test_twenty_uses_of_one_token_are_one_rotation_and_nineteen_overlaps(rivals: Rivals) -> None:
    world = rivals.world
    family = await begun(world)

    async def use(store: AnyStore, number: int) -> Any:
        return await rotate(world, family, store=store)

    outcomes = await rivals.race(use)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Overlapped"] * 19 + ["Rotated"]
    assert {outcome.generation for outcome in outcomes} == {1}
    assert await world.audit("refresh.rotated") == 1


async def test_fifty_uses_of_one_token_get_twenty_overlaps_and_end_nothing(rivals: Rivals) -> None:
    world = rivals.world
    family = await begun(world)

    async def use(store: AnyStore, number: int) -> Any:
        return await rotate(world, family, store=store)

    tally = await rivals.tally(use, width=50)
    assert tally == {"Rotated": 1, "Overlapped": 20, "OverlapSpent": 29}
    assert await rotate(world, family, 1) == Rotated(generation=2)


async def test_without_an_overlap_twenty_uses_have_one_winner_and_end_the_grant(rivals: Rivals) -> None:
    world = rivals.world
    family = await begun(world)

    async def use(store: AnyStore, number: int) -> Any:
        return await rotate(world, family, store=store, overlap=timedelta())

    tally = await rivals.tally(use)
    assert tally["Rotated"] == 1
    assert tally["Reused"] >= 1 and tally["Reused"] + tally["Gone"] == 19
    assert await world.is_revoked(family.grant_id)
    assert await world.audit("refresh.reused") == 1


async def test_uses_and_a_revocation_leave_nothing_alive(rivals: Rivals) -> None:
    world = rivals.world
    family = await begun(world)

    async def enter(store: AnyStore, number: int) -> Any:
        if number == 10:
            return await store.grants.revoke(family.grant_id, now=NOW, events=())
        return await rotate(world, family, store=store)

    tally = await rivals.tally(enter)
    assert tally["Done"] == 1 and tally["Reused"] == 0
    assert await rotate(world, family, (await row(world, family)).generation) == Gone()


async def test_twenty_redemptions_begin_one_family(rivals: Rivals) -> None:
    world = rivals.world
    code, grant = await world.issued()

    async def redeem(store: AnyStore, number: int) -> Any:
        return await store.codes.redeem(
            code.key, attempt=an_attempt(), now=NOW, epochs=world.epochs, access_token=None,
            family=a_family(grant), redeemed=(), replayed=(),
        )  # fmt: skip

    outcomes = await rivals.race(redeem)
    assert outcomes.count(Redeemed()) == 1 and outcomes.count(Replayed()) == 19
    assert len(await world.store.refresh_families.of(world.user.user_id)) == 1


# ------------------------------------------------------------ rows


async def test_a_family_is_read_with_its_grant_its_person_and_the_consent_epoch(world: World) -> None:
    family = await begun(world)
    found = await world.store.refresh_families.read(family.key)
    assert found is not None
    assert (found.family, found.user, found.consent_epoch) == (family, world.user, 0)
    assert found.grant.grant_id == family.grant_id
    assert await world.store.refresh_families.read(a_key()) is None


async def test_a_family_that_does_not_rotate_keeps_its_generation_and_moves_its_idle_limit(
    world: World,
) -> None:
    family = await begun(world, is_rotating=False)
    later = NOW + HOUR
    for _ in range(3):
        outcome = await rotate(world, family, now=later, is_rotating=False, idle_expires_at=later + HOUR)
        assert outcome == Rotated(generation=0)
    assert (await row(world, family)).idle_expires_at == later + HOUR


async def test_a_switch_of_rotation_takes_effect_at_the_next_use(world: World) -> None:
    family = await begun(world, is_rotating=False)
    assert await rotate(world, family) == Rotated(generation=1)
    assert (await row(world, family)).is_rotating
    assert await rotate(world, family, 1, is_rotating=False) == Rotated(generation=1)
    assert not (await row(world, family)).is_rotating
    assert await rotate(world, family, now=NOW + OVERLAP) == Reused()


async def test_access_tokens_of_rotation_and_overlap_are_stored_and_die_together(world: World) -> None:
    family = await begun(world)
    found = await world.store.refresh_families.read(family.key)
    assert found is not None
    tokens = [a_token(found.grant), a_token(found.grant), a_token(found.grant)]
    assert await rotate(world, family, access_token=tokens[0]) == Rotated(generation=1)
    assert await rotate(world, family, access_token=tokens[1]) == Overlapped(generation=1)
    assert await rotate(world, family, access_token=tokens[2], now=NOW + OVERLAP) == Reused()
    standings = [await opaque(world, token) for token in tokens]
    assert [standing is not None for standing in standings] == [True, True, False]
    assert all(s.grant.revoked_at is not None for s in standings if s is not None)


async def test_a_grant_lasts_as_long_as_its_family(world: World) -> None:
    family = await begun(world)
    found = await world.store.refresh_families.read(family.key)
    assert found is not None and found.grant.expires_at <= NOW + ABSOLUTE
    await world.store.purge(now=NOW + ABSOLUTE, limit=1000)
    assert await world.store.refresh_families.read(family.key) is not None
    await world.store.purge(now=NOW + ABSOLUTE + 2 * HOUR, limit=1000)
    assert await world.store.refresh_families.read(family.key) is None
    assert await world.store.grants.standing(family.grant_id) is None


async def test_the_oldest_of_too_many_families_goes(world: World) -> None:
    first = await begun(world)
    for _ in range(199):
        await begun(world)
    assert await world.store.refresh_families.read(first.key) is not None
    last = await begun(world)
    kept = await world.store.refresh_families.of(world.user.user_id, world.client.client_id)
    assert len(kept) == 200
    assert await world.store.refresh_families.read(first.key) is None
    assert await rotate(world, last) == Rotated(generation=1)


async def test_of_too_many_families_the_dead_go_first_and_the_newcomer_never(world: World) -> None:
    """A browser that signs in and out all day ends no phone's sign-in, nor does a shortened lifetime."""
    phone = await begun(world)
    dead = [await begun(world) for _ in range(199)]
    for family in dead:
        await world.store.grants.revoke(family.grant_id, now=NOW, events=())
    ends = NOW + HOUR
    short = await begun(world, key=a_key(ends), idle_expires_at=ends, absolute_expires_at=ends)
    assert await rotate(world, phone) == Rotated(generation=1)
    assert await rotate(world, short) == Rotated(generation=1)
    assert await world.store.refresh_families.read(dead[0].key) is None
    assert len(await world.store.refresh_families.of(world.user.user_id)) == 200


async def test_a_grant_that_opens_without_a_code_may_begin_a_family(world: World) -> None:
    _, grant = world.authorization()
    family = a_family(grant)
    attempt = an_attempt()
    for _ in range(2):
        opened = await world.store.grants.open(
            grant, access_token=None, family=family, attempt=attempt, events=()
        )
        assert opened == Done()
    assert await rotate(world, family) == Rotated(generation=1)


async def test_a_denied_token_is_remembered_until_it_would_have_ended(world: World) -> None:
    key = a_key(NOW + HOUR)
    event = AccessTokenDenied(at=NOW)
    for _ in range(2):
        assert await world.store.access_tokens.deny(key, expires_at=NOW + HOUR, events=(event,)) == Done()
    assert await world.audit("access_token.denied") == 1
    _, grant = await world.issued()
    await world.store.purge(now=NOW + HOUR, limit=1000)
    standing = await world.store.grants.standing(grant.grant_id, key)
    assert standing is not None and standing.is_denied
    assert await world.store.purge(now=NOW + 2 * HOUR + timedelta(seconds=2), limit=1000) == 1
    standing = await world.store.grants.standing(grant.grant_id, key)
    assert standing is not None and not standing.is_denied
    assert await world.store.grants.standing(GrantId("nobody"), key) is None
