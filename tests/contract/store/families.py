"""Refresh families in the contract: records with good defaults, and the laws of rotation as functions of a world."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.events import (
    RefreshAhead,
    RefreshOverlapped,
    RefreshReused,
    RefreshRotated,
    RefreshUntold,
)
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import ApiIdentifier, Attempt
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.storage.outcomes import (
    Done,
    Gone,
    Missing,
    Overlapped,
    OverlapSpent,
    Redeemed,
    Reused,
    Rotated,
    Stale,
)
from tests.contract.store.builders import HOUR, NOW, AnyStore, World, a_key, a_token, an_attempt

API = ApiIdentifier("https://api.example.test/timesheets")
OVERLAP = timedelta(seconds=10)
IDLE = timedelta(days=14)
ABSOLUTE = timedelta(days=90)


def a_family(grant: Grant, **values: Any) -> RefreshFamily:
    defaults: dict[str, Any] = {
        "key": a_key(NOW + ABSOLUTE),
        "scope": grant.scope,
        "is_rotating": True,
        "issued_at": NOW,
        "idle_expires_at": NOW + IDLE,
        "absolute_expires_at": NOW + ABSOLUTE,
        "mac_key_id": 1,
    }
    return RefreshFamily(
        grant_id=grant.grant_id,
        client_id=grant.client_id,
        user_id=grant.user_id,
        **(defaults | values),
    )


async def begun(world: World, **values: Any) -> RefreshFamily:
    """A family, stored by the redemption of a code."""
    code, grant = await world.issued()
    family = a_family(grant, **values)
    outcome = await world.store.codes.redeem(
        code.key, attempt=an_attempt(), now=NOW, epochs=world.epochs, access_token=None, family=family,
        redeemed=(), replayed=(),
    )  # fmt: skip
    assert outcome == Redeemed()
    return family


async def rotate(
    world: World,
    family: RefreshFamily,
    presented: int = 0,
    *,
    now: datetime = NOW,
    store: AnyStore | None = None,
    **values: Any,
) -> Rotated | Overlapped | OverlapSpent | Reused | Gone | Stale:
    """One presentation of this generation."""
    about: dict[str, Any] = {"at": now, "grant_id": family.grant_id}
    defaults: dict[str, Any] = {
        "attempt": an_attempt(),
        "overlap": OVERLAP,
        "is_rotating": True,
        "idle_expires_at": now + IDLE,
        "epochs": world.epochs,
        "access_token": None,
        "rotated": (RefreshRotated(**about),),
        "overlapped": (RefreshOverlapped(**about),),
        "reused": (RefreshReused(**about),),
        "ahead": (RefreshAhead(**about),),
    }
    families = (store or world.store).refresh_families
    return await families.rotate(family.key, presented=presented, now=now, **(defaults | values))


async def row(world: World, family: RefreshFamily) -> RefreshFamily:
    found = await world.store.refresh_families.read(family.key)
    assert found is not None
    return found.family


# ------------------------------------------------------------ laws


async def an_old_generation_ends_the_grant(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    late = NOW + OVERLAP
    assert await rotate(world, family, now=late) == Reused()
    assert await world.is_revoked(family.grant_id)
    assert await rotate(world, family, 1, now=late) == Gone()
    assert await world.audit("refresh.reused") == 1


async def only_the_last_generation_overlaps(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    assert await rotate(world, family) == Overlapped(generation=1)
    assert await rotate(world, family, 1) == Rotated(generation=2)
    assert await rotate(world, family) == Reused()


async def an_overlap_is_answered_twenty_times(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    for _ in range(20):
        assert await rotate(world, family) == Overlapped(generation=1)
    for _ in range(30):
        assert await rotate(world, family) == OverlapSpent()
    assert await world.audit("refresh.overlapped") == 20
    assert await world.audit("refresh.reused") == 0
    assert not await world.is_revoked(family.grant_id)
    assert (await row(world, family)).overlaps == 20
    assert await rotate(world, family, 1) == Rotated(generation=2)
    assert await rotate(world, family) == Reused()


async def without_an_overlap_nobody_is_forgiven(world: World) -> None:
    """Not even who looked at the clock before the winner did and arrived after it."""
    none = timedelta()
    for earlier in (timedelta(), timedelta(milliseconds=1), OVERLAP):
        family = await begun(world)
        assert await rotate(world, family, overlap=none) == Rotated(generation=1)
        assert await rotate(world, family, now=NOW - earlier, overlap=none) == Reused()
        assert await world.is_revoked(family.grant_id)
    forgiving = await begun(world)
    assert await rotate(world, forgiving) == Rotated(generation=1)
    assert await rotate(world, forgiving, now=NOW - OVERLAP) == Overlapped(generation=1)


async def a_spent_overlap_ends_as_any_other(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    for _ in range(20):
        await rotate(world, family)
    assert await rotate(world, family) == OverlapSpent()
    assert await rotate(world, family, now=NOW + OVERLAP) == Reused()
    assert await world.is_revoked(family.grant_id)


async def a_future_generation_ends_the_grant(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family, 1) == Reused(is_ahead=True)
    assert await world.is_revoked(family.grant_id)
    assert await world.audit("refresh.ahead") == 1
    assert await world.audit("refresh.reused") == 0


async def a_rotation_that_won_is_told_so_again(world: World) -> None:
    family = await begun(world)
    attempt = an_attempt()
    world.store.lose_next_answer()
    assert await rotate(world, family, attempt=attempt) == Rotated(generation=1)
    assert not await world.is_revoked(family.grant_id)
    assert await world.audit("refresh.rotated") == 1
    assert (await row(world, family)).overlaps == 0


async def both_limits_end_a_family(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family, now=family.idle_expires_at) == Gone()
    assert await rotate(world, family, now=family.absolute_expires_at) == Gone()
    short = await begun(world, absolute_expires_at=NOW + IDLE / 2, idle_expires_at=NOW + IDLE / 2)
    assert await rotate(world, short, now=NOW + IDLE / 2) == Gone()


async def no_rotation_prolongs_the_absolute_limit(world: World) -> None:
    family = await begun(world)
    late = NOW + ABSOLUTE
    assert await rotate(world, family, idle_expires_at=late + IDLE) == Rotated(generation=1)
    after = await row(world, family)
    assert (after.idle_expires_at, after.absolute_expires_at) == (late, late)
    assert await rotate(world, family, 1, now=late) == Gone()


async def moved_facts_make_a_rotation_stale(world: World) -> None:
    family = await begun(world)
    for changed in ("client_revision", "client_epoch", "user_epoch", "consent_epoch"):
        seen = replace(world.epochs, **{changed: 7})
        assert await rotate(world, family, epochs=seen) == Stale(), changed
    assert await rotate(world, family) == Rotated(generation=1)
    seen = replace(world.epochs, user_epoch=7)
    assert await rotate(world, family, epochs=seen) == Stale(), "an overlap"
    assert (await row(world, family)).overlaps == 0


async def a_revoked_grant_has_no_rotation(world: World) -> None:
    family = await begun(world)
    assert await rotate(world, family) == Rotated(generation=1)
    assert await world.store.grants.revoke(family.grant_id, now=NOW, events=()) == Done()
    for presented in (0, 1, 2):
        assert await rotate(world, family, presented) == Gone()


async def a_family_and_a_code_are_read_with_all_that_was_allowed(world: World) -> None:
    code, grant = await world.issued()
    family = await begun(world)
    for found in (
        await world.store.refresh_families.read(family.key),
        await world.store.codes.read(code.key),
    ):
        assert found is not None and found.consents == ()
    scope = Scope.parse("read:timesheets offline_access")
    additions = [(None, Scope.parse("openid")), (API, scope)]
    allowed = await world.store.consents.allow(
        grant.user_id,
        grant.client_id,
        additions,
        answered=(API, scope),
        epochs=world.epochs,
        now=NOW,
        events=(),
    )
    assert allowed == Done()
    expected = await world.store.consents.of(grant.user_id, grant.client_id)
    assert [consent.api for consent in expected] == [None, API]
    for found in (
        await world.store.refresh_families.read(family.key),
        await world.store.codes.read(code.key),
    ):
        assert found is not None and found.consents == expected


async def a_denied_token_is_told(world: World) -> None:
    code, grant = await world.issued()
    token = a_token(grant)
    assert await world.redeem(code, access_token=token) == Redeemed()
    for key in (token.key, a_key()):
        assert await world.store.access_tokens.deny(key, expires_at=token.expires_at, events=()) == Done()
        standing = await world.store.grants.standing(grant.grant_id, key)
        assert standing is not None and standing.is_denied
    found = await world.store.access_tokens.opaque_standing(token.key)
    assert found is not None and found.standing.is_denied
    other = await world.store.grants.standing(grant.grant_id, a_key())
    assert other is not None and not other.is_denied


# ------------------------------------------------------------ rotations that nobody was told of


async def untold(world: World, family: RefreshFamily, attempt: Attempt) -> Done | Missing:
    """As the node says it that answered 503."""
    event = RefreshUntold(at=NOW, grant_id=family.grant_id)
    return await world.store.refresh_families.untold(family.key, attempt=attempt, events=(event,))


async def an_untold_rotation_is_answered_late(world: World) -> None:
    """The overlap begins with the answer, whatever it is; also where nothing is forgiven otherwise."""
    for overlap in (OVERLAP, timedelta()):
        family, lost, late = await begun(world), an_attempt(), NOW + HOUR
        assert await rotate(world, family, attempt=lost, overlap=overlap) == Rotated(generation=1)
        assert await untold(world, family, lost) == Done()
        assert await rotate(world, family, now=late, overlap=overlap) == Overlapped(generation=1)
        told = await row(world, family)
        assert (told.rotated_at, told.overlaps, told.untold_generation) == (late, 0, None)
        if overlap:
            assert await rotate(world, family, now=late + OVERLAP / 2) == Overlapped(generation=1)
        assert await rotate(world, family, now=late + OVERLAP, overlap=overlap) == Reused()
        assert await world.is_revoked(family.grant_id)


async def an_untold_rotation_is_told_in_the_audit_once(world: World) -> None:
    family, lost = await begun(world), an_attempt()
    assert await rotate(world, family, attempt=lost) == Rotated(generation=1)
    world.store.lose_next_answer()
    assert await untold(world, family, lost) == Done()
    assert await untold(world, family, lost) == Done()
    assert await world.audit("refresh.untold") == 1


async def only_the_attempt_that_moved_the_family_is_untold(world: World) -> None:
    family, lost, late = await begun(world), an_attempt(), NOW + HOUR
    assert await untold(world, family, lost) == Missing()
    assert await rotate(world, family, attempt=lost) == Rotated(generation=1)
    assert await untold(world, family, an_attempt()) == Missing()
    assert await untold(world, a_family((await world.issued())[1]), lost) == Missing()
    assert await rotate(world, family, 1) == Rotated(generation=2)
    assert await untold(world, family, lost) == Missing()
    assert (await row(world, family)).untold_generation is None
    assert await world.audit("refresh.untold") == 0
    assert await rotate(world, family, 1, now=late) == Reused()


async def what_somebody_was_told_is_not_untold(world: World) -> None:
    """Another node has answered the app meanwhile: the overlap runs."""
    family, lost = await begun(world), an_attempt()
    assert await rotate(world, family, attempt=lost) == Rotated(generation=1)
    assert await rotate(world, family) == Overlapped(generation=1)
    assert await untold(world, family, lost) == Missing()
    assert await rotate(world, family, now=NOW + OVERLAP) == Reused()


async def an_untold_rotation_opens_only_the_generation_before(world: World) -> None:
    late = NOW + HOUR
    for presented, is_ahead in ((0, False), (3, True)):
        family, lost = await begun(world), an_attempt()
        assert await rotate(world, family) == Rotated(generation=1)
        assert await rotate(world, family, 1, attempt=lost) == Rotated(generation=2)
        assert await untold(world, family, lost) == Done()
        assert await rotate(world, family, presented, now=late) == Reused(is_ahead=is_ahead)
        assert await rotate(world, family, 1, now=late) == Gone()


async def who_has_the_successor_was_told(world: World) -> None:
    for is_rotating in (True, False):
        family, lost, late = await begun(world), an_attempt(), NOW + HOUR
        assert await rotate(world, family, attempt=lost) == Rotated(generation=1)
        assert await untold(world, family, lost) == Done()
        living = 1 + is_rotating
        outcome = await rotate(world, family, 1, now=late, is_rotating=is_rotating)
        assert outcome == Rotated(generation=living)
        assert (await row(world, family)).untold_generation is None
        assert await rotate(world, family, living - 1, now=late + OVERLAP) == Reused()


async def a_rotation_that_moved_nothing_is_not_untold(world: World) -> None:
    """The app has what it presented; the generation before it was used long ago."""
    family, lost = await begun(world), an_attempt()
    assert await rotate(world, family) == Rotated(generation=1)
    assert await rotate(world, family, 1, attempt=lost, is_rotating=False) == Rotated(generation=1)
    assert await untold(world, family, lost) == Missing()
    assert await rotate(world, family, now=NOW + HOUR) == Reused()


async def an_untold_rotation_stands_on_its_grant(world: World) -> None:
    family, lost, late = await begun(world), an_attempt(), NOW + HOUR
    assert await rotate(world, family, attempt=lost) == Rotated(generation=1)
    assert await untold(world, family, lost) == Done()
    moved = replace(world.epochs, user_epoch=7)
    assert await rotate(world, family, now=late, epochs=moved) == Stale()
    assert await world.store.grants.revoke(family.grant_id, now=NOW, events=()) == Done()
    assert await rotate(world, family, now=late) == Gone()


async def the_answer_for_an_untold_rotation_may_be_lost_as_well(world: World) -> None:
    """Once more nobody knows: whoever was to be told is the winner now, and may be told again."""
    family, attempts, late = await begun(world), [an_attempt() for _ in range(4)], NOW
    assert await rotate(world, family, attempt=attempts[0]) == Rotated(generation=1)
    for lost, later in pairwise(attempts):
        late += HOUR
        assert await untold(world, family, lost) == Done()
        world.store.lose_next_answer()
        await rotate(world, family, now=late, attempt=later)
        assert (await row(world, family)).overlaps == 0
        assert await untold(world, family, lost) == Missing()
    assert not await world.is_revoked(family.grant_id)


async def a_rotation_that_was_not_there_yet_is_answered_late(world: World) -> None:
    """It waited for a standby while this request read the family, and was dated when that began."""
    family, late, lost = await begun(world), NOW + HOUR, an_attempt()
    assert await rotate(world, family) == Rotated(generation=1)
    outcome = await rotate(world, family, now=late, attempt=lost, was_living=True)
    assert outcome == Overlapped(generation=1)
    told = await row(world, family)
    assert (told.rotated_at, told.overlaps) == (late, 0)
    # Nor was this answer heard.
    assert await untold(world, family, lost) == Done()
    late += HOUR
    assert await rotate(world, family, now=late) == Overlapped(generation=1)
    assert await rotate(world, family, now=late + OVERLAP / 2) == Overlapped(generation=1)
    for number in range(19):
        outcome = await rotate(world, family, now=late, was_living=True)
        assert outcome == Overlapped(generation=1), number
    assert await rotate(world, family, now=late, was_living=True) == OverlapSpent()
    strict = await begun(world)
    assert await rotate(world, strict) == Rotated(generation=1)
    assert await rotate(world, strict, now=late, was_living=True, overlap=timedelta()) == Reused()


async def a_rotation_far_ahead_of_the_clock_has_no_overlap(world: World) -> None:
    """The clock has gone back: the overlap would stay open until it is there again (F17)."""
    for back, outcome in ((timedelta(seconds=59), Overlapped(generation=1)), (HOUR, Reused())):
        family = await begun(world)
        assert await rotate(world, family, now=NOW + HOUR) == Rotated(generation=1)
        assert await rotate(world, family, now=NOW + HOUR - back) == outcome
