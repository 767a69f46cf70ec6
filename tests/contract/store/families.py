"""Refresh families in the contract: records with good defaults, and the laws of rotation as functions of a world."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.events import RefreshAhead, RefreshOverlapped, RefreshReused, RefreshRotated
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.refresh_family import RefreshFamily
from innkeeper.server.storage.outcomes import (
    Done,
    Gone,
    Overlapped,
    OverlapSpent,
    Redeemed,
    Reused,
    Rotated,
    Stale,
)
from tests.contract.store.builders import NOW, AnyStore, World, a_key, a_token, an_attempt

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
