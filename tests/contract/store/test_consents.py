"""Remembered consents, and how ending them ends what stands on them."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.consent import Consent
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.storage.outcomes import Done, Missing, Redeemed, Stale
from tests.contract.store.builders import NOW, TIMESHEETS, World, a_change
from tests.contract.store.laws import READ

NOTHING = Scope()
CREATE = Scope.parse("create:timesheets")
OIDC = Scope.parse("openid profile")


async def allow(
    world: World,
    *additions: tuple[ApiIdentifier | None, Scope],
    answered: tuple[ApiIdentifier | None, Scope] = (TIMESHEETS, NOTHING),
    now: datetime = NOW,
    **epochs: int,
) -> Done | Stale:
    return await world.store.consents.allow(
        world.user.user_id,
        world.client.client_id,
        additions,
        answered=answered,
        epochs=replace(world.epochs, **epochs),
        now=now,
        events=(a_change(),),
    )


async def consents(world: World) -> dict[ApiIdentifier | None, Consent]:
    found = await world.store.consents.of(world.user.user_id, world.client.client_id)
    return {consent.api: consent for consent in found}


async def test_allowing_adds_and_never_removes(world: World) -> None:
    assert await allow(world, (TIMESHEETS, READ), (None, OIDC)) == Done()
    assert await allow(world, (TIMESHEETS, CREATE)) == Done()
    found = await consents(world)
    assert found[TIMESHEETS].scope == ("read:timesheets", "create:timesheets")
    assert found[None].scope == ("openid", "profile")
    assert found[TIMESHEETS].epoch == 0
    assert found[TIMESHEETS].granted_at == NOW
    assert await world.audit("record.changed") == 2


async def test_what_was_answered_is_replaced_on_its_row_and_on_no_other(world: World) -> None:
    whole = READ | CREATE
    assert await allow(world, (None, OIDC), answered=(TIMESHEETS, whole)) == Done()
    found = await consents(world)
    assert (found[TIMESHEETS].scope, found[TIMESHEETS].answered) == ((), tuple(whole))
    assert found[None].answered == ()
    assert await allow(world, (TIMESHEETS, READ), answered=(None, OIDC)) == Done()
    found = await consents(world)
    assert found[TIMESHEETS].answered == tuple(whole)
    assert found[None].answered == tuple(OIDC)
    assert await allow(world, answered=(TIMESHEETS, NOTHING)) == Done()
    assert (await consents(world))[TIMESHEETS].answered == ()
    assert (await consents(world))[TIMESHEETS].scope == tuple(READ)


async def test_allowing_on_facts_that_have_moved_is_stale_and_stores_nothing(world: World) -> None:
    assert await allow(world, (TIMESHEETS, READ), client_revision=2) == Stale()
    assert await allow(world, (TIMESHEETS, READ), client_epoch=2) == Stale()
    assert await allow(world, (TIMESHEETS, READ), user_epoch=2) == Stale()
    assert await consents(world) == {}
    assert await world.audit("record.changed") == 0


async def test_consents_belong_to_one_pair(world: World) -> None:
    await allow(world, (TIMESHEETS, READ))
    other = type(world.client.client_id)("other")
    assert await world.store.consents.of(world.user.user_id, other) == ()


async def test_revoking_empties_every_consent_of_the_pair_and_moves_its_epoch(world: World) -> None:
    await allow(world, (TIMESHEETS, READ), (None, OIDC), answered=(TIMESHEETS, READ))
    revoked = await world.store.consents.revoke(
        world.user.user_id, world.client.client_id, events=(a_change(),)
    )
    assert revoked == Done()
    for consent in (await consents(world)).values():
        assert (consent.scope, consent.answered, consent.epoch) == ((), (), 1)


async def test_revoking_ends_the_codes_and_grants_that_stood_on_the_consent(world: World) -> None:
    await allow(world, (TIMESHEETS, READ))
    code, grant = await world.issued()
    await world.store.consents.revoke(world.user.user_id, world.client.client_id, events=())
    assert await world.redeem(code) == Stale()
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    assert standing.consent_epoch != grant.epochs.consent_epoch


async def test_a_consent_given_later_keeps_the_grants_of_a_skipped_one(world: World) -> None:
    code, _ = await world.issued()
    await allow(world, (TIMESHEETS, READ))
    assert await world.redeem(code) == Redeemed()


async def test_a_consent_given_again_starts_behind_the_revoked_one(world: World) -> None:
    await allow(world, (TIMESHEETS, READ))
    await world.store.consents.revoke(world.user.user_id, world.client.client_id, events=())
    await allow(world, (TIMESHEETS, CREATE))
    consent = (await consents(world))[TIMESHEETS]
    assert (consent.scope, consent.epoch) == (tuple(CREATE), 1)


async def test_revoking_also_ends_grants_whose_consent_was_skipped(world: World) -> None:
    code, grant = await world.issued()
    revoked = await world.store.consents.revoke(grant.user_id, grant.client_id, events=())
    assert revoked == Done()
    assert await world.redeem(code) == Stale()
    assert (await consents(world))[TIMESHEETS].scope == ()


async def test_there_may_be_nothing_to_revoke(world: World) -> None:
    revoked = await world.store.consents.revoke(
        world.user.user_id, world.client.client_id, events=(a_change(),)
    )
    assert revoked == Missing()
    assert await world.audit("record.changed") == 0


async def test_what_was_allowed_for_a_deleted_api_is_no_part_of_the_next_of_its_name(world: World) -> None:
    before = await world.store.apis.get(TIMESHEETS)
    assert before is not None
    assert await allow(world, (TIMESHEETS, READ), answered=(TIMESHEETS, READ)) == Done()
    assert await world.store.apis.delete(TIMESHEETS, events=()) == Done()
    after = replace(before, created_at=NOW + timedelta(hours=1))
    assert await world.store.apis.create(after, events=()) == Done()
    later = NOW + timedelta(hours=2)
    assert await allow(world, (None, OIDC), answered=(TIMESHEETS, CREATE), now=later) == Done()
    found = (await consents(world))[TIMESHEETS]
    assert (found.scope, found.answered, found.granted_at) == ((), tuple(CREATE), later)
    assert await allow(world, (TIMESHEETS, CREATE), now=later) == Done()
    assert (await consents(world))[TIMESHEETS].scope == tuple(CREATE)
    assert await allow(world, (TIMESHEETS, READ), now=later) == Done()
    assert (await consents(world))[TIMESHEETS].scope == tuple(CREATE | READ)
