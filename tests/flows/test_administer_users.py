"""People: created, changed, kept out, and given passwords that hold."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.server.flows.administer import keys, setup_link, users
from innkeeper.server.flows.administer.clients import CLIENT_ID
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.flows.administer.users import NewUser, UserChanges
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId
from innkeeper.server.model.role import Permission
from innkeeper.server.protocol import key_schedule
from innkeeper.server.storage.outcomes import Done
from tests.world import TIMESHEETS, World, a_world

GOOD = "anchor velvet turnip 91"


def wanted(**changes: Any) -> NewUser:
    return NewUser(**({"username": "nina", "email": "nina@example.test", "password": GOOD} | changes))


async def test_a_new_person_is_found_by_every_name_and_the_password_is_theirs() -> None:
    world = await a_world()
    user = await users.create(world.services, wanted(phone_number="+12025550199"))
    for name in ("nina", "NINA", "nina@example.test", "+1 202 555 0199", user.user_id):
        assert (await users.find(world.services, name)).user_id == user.user_id
    found = await world.services.store.users.for_sign_in("nina")
    assert found is not None
    assert found.password is not None
    assert found.password.hash == await world.passwords.hash(GOOD)


async def test_no_app_can_be_named_like_a_person() -> None:
    world = await a_world()
    user = await users.create(world.services, wanted())
    assert CLIENT_ID.fullmatch(user.user_id) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"username": "a@b"}, "looks like an e-mail"),
        ({"username": ""}, "username"),
        ({"email": "nobody"}, "not an e-mail"),
        ({"phone_number": "0301234"}, "with its country"),
        ({"email": None, "email_verified": True}, "no e-mail"),
        ({"phone_number_verified": True}, "no phone number"),
        ({"password": "short"}, "fewer than 12"),
        ({"password": "passwordpassword"}, "first that anybody tries"),
        ({"roles": ("Boss",)}, "no role 'Boss'"),
        ({"permissions": (Permission(api=TIMESHEETS, scope="x"),)}, "no scope"),
        ({"permissions": (Permission(api=ApiIdentifier("urn:x"), scope="x"),)}, "no API"),
        ({"username": "erin"}, "taken"),
        ({"email": "ERIN@example.test"}, "taken"),
    ],
)
async def test_what_cannot_be_a_person_is_refused_in_words(changes: dict[str, Any], reason: str) -> None:
    world = await a_world()
    before = len(await world.services.store.users.list())
    with pytest.raises(Refused, match=reason):
        await users.create(world.services, wanted(**changes))
    assert len(await world.services.store.users.list()) == before


async def test_disabling_ends_everything_and_enabling_brings_nothing_back() -> None:
    world = await a_world()
    before = await users.find(world.services, "erin")
    out = await users.set_enabled(world.services, "erin", is_enabled=False)
    again = await users.set_enabled(world.services, "erin", is_enabled=True)
    assert (out.is_enabled, again.is_enabled) == (False, True)
    assert before.epoch < out.epoch == again.epoch


async def test_another_password_ends_everything_that_the_old_one_began() -> None:
    world = await a_world()
    before = await users.find(world.services, "erin")
    await users.set_password(world.services, "erin", GOOD)
    found = await world.services.store.users.for_sign_in("erin")
    assert found is not None
    assert found.password is not None
    assert found.password.hash == await world.passwords.hash(GOOD)
    assert found.user.epoch > before.epoch


async def test_a_weak_password_is_not_set() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="name or address"):
        await users.set_password(world.services, "erin", "erin example te")


async def test_roles_and_single_permissions_come_and_go() -> None:
    world = await a_world()
    allow = (Permission(api=TIMESHEETS, scope="read:timesheets"),)
    after = await users.change(world.services, "carl", UserChanges(add_roles=("Employee",), allow=allow))
    assert (after.roles, after.permissions) == (("Employee",), allow)
    after = await users.change(world.services, "carl", UserChanges(remove_roles=("Employee",), forbid=allow))
    assert (after.roles, after.permissions) == ((), ())
    with pytest.raises(Refused, match="does not have the role"):
        await users.change(world.services, "carl", UserChanges(remove_roles=("Employee",)))


async def test_a_new_address_is_not_verified_and_signs_in_instead_of_the_old_one() -> None:
    world = await a_world()
    after = await users.change(world.services, "erin", UserChanges(email="new@example.test"))
    assert (after.email, after.email_verified) == ("new@example.test", False)
    assert (await users.find(world.services, "new@example.test")).user_id == after.user_id
    with pytest.raises(Refused, match="no user"):
        await users.find(world.services, "erin@example.test")


async def test_an_empty_text_takes_a_value_away() -> None:
    world = await a_world()
    after = await users.change(
        world.services, "erin", UserChanges(phone_number="", profile={"given_name": ""})
    )
    assert after.phone_number is None
    assert after.profile.given_name is None
    assert after.profile.name == "Erin Example"


async def test_a_taken_address_stays_with_its_owner() -> None:
    world = await a_world()
    with pytest.raises(Refused, match=r"mona@example\.test"):
        await users.change(world.services, "erin", UserChanges(email="mona@example.test"))


async def test_revoking_a_consent_names_the_apps_that_lost_something() -> None:
    world = await a_world()
    await consent(world, "erin", "paycheck")
    assert await users.revoke_consents(world.services, "erin", None) == ["paycheck"]
    with pytest.raises(Refused, match="no app"):
        await users.revoke_consents(world.services, "erin", "nobody")


async def test_a_deleted_person_is_gone_and_the_name_is_free() -> None:
    world = await a_world()
    gone = await users.delete(world.services, "erin")
    assert await world.services.store.users.get(gone.user_id) is None
    again = await users.create(world.services, wanted(username="erin"))
    assert again.user_id != gone.user_id


async def test_the_link_is_made_only_while_nobody_is_administrator() -> None:
    world = await a_world()
    link = await setup_link.create(world.services)
    assert link.startswith("https://id.example.test/setup?link=ik_ln_")
    await users.change(world.services, "erin", UserChanges(add_roles=("Administrator",)))
    with pytest.raises(Refused, match="erin"):
        await setup_link.create(world.services)


async def test_a_rotation_by_hand_signs_with_the_key_that_was_published_before() -> None:
    world = await a_world()
    await keys.ensure(world.services)
    now = world.clock.now()
    before = await world.services.store.signing_keys.list()
    upcoming = next(key for key in before if key.alg == "ES256" and keys.state_of(key, before, now) == "next")
    assert [key.kid for key in await keys.rotate(world.services, "ES256")] == [upcoming.kid]
    after = await world.services.store.signing_keys.list()
    states = sorted(keys.state_of(key, after, now) for key in after if key.alg == "ES256")
    assert states == ["next", "signing", "verifying"]
    assert [key for key in after if key.alg == "RS256"] == [key for key in before if key.alg == "RS256"]


async def test_an_emergency_forgets_the_old_keys_at_once() -> None:
    world = await a_world()
    await keys.ensure(world.services)
    before = {key.kid for key in await world.services.store.signing_keys.list()}
    assert len(await keys.rotate(world.services, None, emergency=True)) == 2
    now = world.clock.now()
    published = await world.services.store.signing_keys.list()
    assert not before & {key.kid for key in published if key_schedule.is_published(key, now)}


async def test_there_are_no_keys_of_other_algorithms() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="HS256"):
        await keys.rotate(world.services, "HS256")


async def consent(world: World, who: str, client_id: str) -> None:
    """What the consent page would have stored."""
    from innkeeper.oauth.scope import Scope
    from innkeeper.server.model.grant import Epochs

    user = await users.find(world.services, who)
    client = await world.services.store.clients.get(ClientId(client_id))
    assert client is not None
    given = (TIMESHEETS, Scope.parse("read:timesheets"))
    epochs = Epochs(client_revision=client.revision, client_epoch=client.epoch, user_epoch=user.epoch)
    outcome = await world.services.store.consents.allow(
        user.user_id,
        client.client_id,
        [given],
        epochs=epochs,
        now=world.clock.now(),
        answered=given,
        events=(),
    )
    assert isinstance(outcome, Done)
