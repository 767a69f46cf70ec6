"""Authorization codes and grants: who wins, who is told what, and what a loser leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from innkeeper.server.model.grant import Epochs, NamedClaims
from innkeeper.server.model.identifiers import GrantId
from innkeeper.server.storage.outcomes import (
    AlreadyRedeemed,
    Burnt,
    Done,
    Gone,
    Missing,
    Redeemed,
    Replayed,
    Stale,
)
from tests.contract.store import laws
from tests.contract.store.builders import (
    CODE_LIFETIME,
    NOW,
    TIMESHEETS,
    AnyStore,
    World,
    a_change,
    a_key,
    a_token,
    an_attempt,
    opaque,
)


async def test_an_issued_code_is_read_with_its_grant_its_person_and_the_consent_epoch(world: World) -> None:
    code, grant = await world.issued()
    found = await world.store.codes.read(code.key)
    assert found is not None
    assert (found.code, found.grant, found.user, found.consent_epoch) == (code, grant, world.user, 0)


async def test_claims_that_were_asked_for_by_name_stay_with_the_grant(world: World) -> None:
    code, plain = world.authorization()
    grant = replace(plain, claims=NamedClaims(id_token=("email",), userinfo=("name", "email")))
    assert await world.issue(code, grant) == Done()
    found = await world.store.codes.read(code.key)
    standing = await world.store.grants.standing(grant.grant_id)
    assert found is not None and standing is not None
    assert found.grant.claims == standing.grant.claims == grant.claims


async def test_an_unknown_code_is_read_as_nothing(world: World) -> None:
    assert await world.store.codes.read(a_key()) is None


async def test_a_redeemed_and_expired_code_is_still_read(world: World) -> None:
    code, _ = await world.issued()
    assert await world.redeem(code) == Redeemed()
    assert await world.store.codes.read(code.key) is not None


async def test_reading_a_code_of_a_person_who_is_gone_says_so(world: World) -> None:
    code, _ = await world.issued()
    assert await world.store.users.delete(world.user.user_id, events=()) == Done()
    found = await world.store.codes.read(code.key)
    assert found is not None
    assert found.user is None


async def test_a_code_is_redeemed_once(world: World) -> None:
    await laws.a_second_redemption_is_a_replay(world)


async def test_a_replay_revokes_the_grant_and_with_it_the_opaque_token(world: World) -> None:
    await laws.a_replay_revokes_the_grant(world)


async def test_a_replay_leaves_one_audit_row_however_often_it_comes(world: World) -> None:
    code, grant = await world.issued()
    assert await world.redeem(code) == Redeemed()
    for _ in range(3):
        assert await world.redeem(code) == Replayed()
    assert await world.audit("code.redeemed") == 1
    assert await world.audit("code.replayed") == 1
    assert await world.is_revoked(grant.grant_id)


async def test_a_replay_after_the_code_has_expired_still_revokes(world: World) -> None:
    code, grant = await world.issued()
    assert await world.redeem(code) == Redeemed()
    assert await world.redeem(code, now=NOW + 2 * CODE_LIFETIME) == Replayed()
    assert await world.is_revoked(grant.grant_id)


async def test_a_replay_on_moved_epochs_is_a_replay_and_not_stale(world: World) -> None:
    code, grant = await world.issued()
    assert await world.redeem(code) == Redeemed()
    assert await world.redeem(code, epochs=replace(world.epochs, user_epoch=9)) == Replayed()
    assert await world.is_revoked(grant.grant_id)


async def test_the_winner_is_told_again_even_after_its_grant_was_revoked(world: World) -> None:
    code, _ = await world.issued()
    attempt = an_attempt()
    assert await world.redeem(code, attempt=attempt) == Redeemed()
    assert await world.redeem(code) == Replayed()
    assert await world.redeem(code, attempt=attempt) == Redeemed()


async def test_a_code_is_gone_at_the_instant_of_its_expiry(world: World) -> None:
    await laws.an_expired_code_is_gone(world)
    code, _ = await world.issued()
    assert await world.redeem(code, now=code.expires_at - timedelta(microseconds=1)) == Redeemed()


async def test_an_unknown_code_is_gone(world: World) -> None:
    code, _ = world.authorization()
    assert await world.redeem(code) == Gone()
    assert await world.burn(code) == Gone()


async def test_a_code_whose_grant_was_revoked_is_gone(world: World) -> None:
    await laws.a_revoked_grant_has_no_code(world)


async def test_redemption_on_facts_that_have_moved_is_stale_and_changes_nothing(world: World) -> None:
    await laws.a_moved_epoch_makes_redemption_stale(world)


async def test_issuing_on_facts_that_have_moved_is_stale_and_stores_nothing(world: World) -> None:
    await laws.a_moved_epoch_makes_issuing_stale(world)


@pytest.mark.parametrize("what", ["client", "user"])
async def test_nothing_is_issued_or_redeemed_for_who_is_disabled(world: World, what: str) -> None:
    code, _ = await world.issued()
    epochs = await disable(world, what)
    fresh_code, grant = world.authorization(epochs=epochs)
    assert await world.issue(fresh_code, grant) == Stale()
    assert await world.redeem(code, epochs=epochs) == Stale()


async def disable(world: World, what: str) -> Epochs:
    if what == "client":
        await world.store.clients.replace(replace(world.client, is_enabled=False), events=())
        return replace(world.epochs, client_revision=2)
    user = replace(world.user, is_enabled=False)
    await world.store.users.replace(user, identifiers=("erin",), events=())
    return world.epochs


@pytest.mark.parametrize("what", ["client", "user"])
async def test_nothing_is_issued_or_redeemed_for_who_is_gone(world: World, what: str) -> None:
    code, _ = await world.issued()
    if what == "client":
        await world.store.clients.delete(world.client.client_id, events=())
    else:
        await world.store.users.delete(world.user.user_id, events=())
    fresh_code, grant = world.authorization()
    assert await world.issue(fresh_code, grant) == Stale()
    assert await world.redeem(code) == Stale()


async def test_a_burnt_code_is_never_redeemed_and_its_valid_presentation_revokes(world: World) -> None:
    await laws.a_burnt_code_is_never_redeemed(world)


async def test_burning_a_redeemed_code_changes_nothing(world: World) -> None:
    code, grant = await world.issued()
    assert await world.redeem(code) == Redeemed()
    assert await world.burn(code) == AlreadyRedeemed()
    assert not await world.is_revoked(grant.grant_id)
    assert await world.audit("code.burnt") == 0


async def test_only_the_first_burning_burns(world: World) -> None:
    code, _ = await world.issued()
    attempt = an_attempt()
    assert await world.burn(code, attempt=attempt) == Burnt()
    assert await world.burn(code) == AlreadyRedeemed()
    assert await world.burn(code, attempt=attempt) == Burnt()
    assert await world.audit("code.burnt") == 1


async def test_a_code_that_is_over_or_revoked_cannot_be_burnt(world: World) -> None:
    code, grant = await world.issued()
    await world.store.grants.revoke(grant.grant_id, now=NOW, events=())
    assert await world.burn(code) == Gone()


async def test_the_opaque_token_is_stored_by_the_redemption_that_wins(world: World) -> None:
    code, grant = await world.issued()
    won, lost = a_token(grant), a_token(grant)
    assert await world.redeem(code, access_token=won) == Redeemed()
    assert await world.redeem(code, access_token=lost) == Replayed()
    standing = await opaque(world, won)
    assert standing is not None
    assert standing.grant.grant_id == grant.grant_id
    assert await world.store.access_tokens.opaque_standing(lost.key) is None


async def test_a_standing_tells_todays_epochs(world: World) -> None:
    _, grant = await world.issued()
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    assert (standing.grant, standing.user) == (grant, world.user)
    assert (standing.client_epoch, standing.consent_epoch) == (1, 0)
    await world.store.clients.replace(replace(world.client, epoch=2), events=())
    await world.store.consents.revoke(world.user.user_id, world.client.client_id, events=())
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    assert (standing.client_epoch, standing.consent_epoch) == (2, 1)


async def test_a_standing_tells_who_is_gone(world: World) -> None:
    _, grant = await world.issued()
    await world.store.clients.delete(world.client.client_id, events=())
    await world.store.users.delete(world.user.user_id, events=())
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    assert (standing.user, standing.client_epoch) == (None, None)


async def test_revoking_a_grant_twice_keeps_the_first_instant_and_one_audit_row(world: World) -> None:
    _, grant = await world.issued()
    for later in range(2):
        now = NOW + timedelta(seconds=later)
        event = a_change(id=grant.grant_id)
        assert await world.store.grants.revoke(grant.grant_id, now=now, events=(event,)) == Done()
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    assert standing.grant.revoked_at == NOW
    assert await world.audit("record.changed") == 1


async def test_an_unknown_grant_is_missing(store: AnyStore) -> None:
    assert await store.grants.revoke(GrantId("nobody"), now=NOW, events=()) == Missing()
    assert await store.grants.standing(GrantId("nobody")) is None
    assert await store.access_tokens.opaque_standing(a_key()) is None


async def test_a_grant_without_an_api_stands_on_the_consent_for_the_oidc_scopes(world: World) -> None:
    code, grant = await world.issued(api=None, scope=("openid",))
    await world.store.consents.revoke(world.user.user_id, world.client.client_id, events=())
    assert await world.redeem(code) == Stale()
    assert await world.redeem(code, epochs=replace(world.epochs, consent_epoch=1)) == Redeemed()
    standing = await world.store.grants.standing(grant.grant_id)
    assert standing is not None
    assert (standing.grant.api, standing.consent_epoch) == (None, 1)
    assert TIMESHEETS not in {
        c.api for c in await world.store.consents.of(world.user.user_id, grant.client_id)
    }
