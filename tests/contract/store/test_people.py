"""People, their identifiers and passwords."""

from __future__ import annotations

from msgspec.structs import replace

from innkeeper.server.model.identifiers import Subject
from innkeeper.server.storage.outcomes import Conflict, Done, Missing, Stale
from tests.contract.store.builders import (
    NOW,
    AnyStore,
    World,
    a_change,
    a_password,
    a_session,
    a_user,
    an_attempt,
)
from tests.contract.store.laws import READ


async def test_a_person_is_found_by_each_identifier_with_their_password(world: World) -> None:
    for identifier in ("erin", "erin@exampleco.test"):
        found = await world.store.users.for_sign_in(identifier)
        assert found is not None
        assert (found.user, found.password) == (world.user, a_password())
    assert await world.store.users.for_sign_in("mona") is None
    assert await world.store.users.get(world.user.user_id) == world.user
    assert await world.store.users.list() == (world.user,)


async def test_a_person_may_have_no_password(store: AnyStore) -> None:
    await store.users.create(a_user(), identifiers=("erin",), password=None, events=())
    found = await store.users.for_sign_in("erin")
    assert found is not None
    assert found.password is None


async def test_an_identifier_belongs_to_one_person(world: World) -> None:
    mona = a_user("sub-mona", username="mona")
    taken = await world.store.users.create(
        mona, identifiers=("mona", "erin"), password=a_password("sub-mona"), events=(a_change(),)
    )
    assert taken == Conflict(what="erin")
    assert await world.store.users.get(mona.user_id) is None
    assert await world.store.users.for_sign_in("mona") is None
    assert await world.audit("record.changed") == 0


async def test_a_subject_is_taken_once(world: World) -> None:
    again = await world.store.users.create(
        a_user(username="other"), identifiers=("other",), password=None, events=()
    )
    assert again == Conflict(what="user_id")
    assert await world.store.users.for_sign_in("other") is None


async def test_replacing_a_person_replaces_their_identifiers(world: World) -> None:
    renamed = replace(world.user, username="erin.b")
    outcome = await world.store.users.replace(renamed, identifiers=("erin.b", "erin"), events=())
    assert outcome == Done()
    found = await world.store.users.for_sign_in("erin.b")
    assert found is not None
    assert (found.user, found.password) == (replace(renamed, revision=2), a_password())
    assert await world.store.users.for_sign_in("erin@exampleco.test") is None
    mona = a_user("sub-mona", username="mona")
    free = await world.store.users.create(
        mona, identifiers=("erin@exampleco.test",), password=None, events=()
    )
    assert free == Done()


async def test_a_refused_replacement_of_a_person_changes_nothing(world: World) -> None:
    mona = a_user("sub-mona", username="mona")
    await world.store.users.create(mona, identifiers=("mona",), password=None, events=())
    taken = await world.store.users.replace(world.user, identifiers=("erin", "mona"), events=(a_change(),))
    assert taken == Conflict(what="mona")
    late = replace(world.user, revision=7)
    refused = await world.store.users.replace(late, identifiers=("erin",), events=(a_change(),))
    assert refused == Conflict(what="revision")
    nobody = a_user("sub-nobody")
    assert await world.store.users.replace(nobody, identifiers=("x",), events=()) == Missing()
    assert await world.store.users.get(world.user.user_id) == world.user
    assert await world.store.users.for_sign_in("erin@exampleco.test") is not None
    assert await world.audit("record.changed") == 0


async def test_a_password_is_set_and_may_end_everything(world: World) -> None:
    users = world.store.users
    new = a_password(hash="$argon2id$two")
    assert await users.set_password(new, expected_hash=None, ends_everything=True, events=()) == Done()
    found = await users.for_sign_in("erin")
    assert found is not None
    assert found.password == new
    assert (found.user.epoch, found.user.revision) == (2, 2)
    session = a_session(user_epoch=1)
    started = await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    assert started == Stale()


async def test_a_rehash_counts_only_on_the_hash_it_was_made_from(world: World) -> None:
    users = world.store.users
    rehash = a_password(hash="$argon2id$better")
    stale = await users.set_password(
        rehash, expected_hash="$argon2id$other", ends_everything=False, events=(a_change(),)
    )
    assert stale == Stale()
    done = await users.set_password(
        rehash, expected_hash="$argon2id$one", ends_everything=False, events=(a_change(),)
    )
    assert done == Done()
    found = await users.for_sign_in("erin")
    assert found is not None
    assert (found.password, found.user) == (rehash, world.user)
    assert await world.audit("record.changed") == 1


async def test_a_password_needs_its_person(store: AnyStore) -> None:
    outcome = await store.users.set_password(
        a_password("sub-nobody"), expected_hash=None, ends_everything=False, events=()
    )
    assert outcome == Missing()


async def test_a_password_where_none_was_cannot_be_expected(store: AnyStore) -> None:
    await store.users.create(a_user(), identifiers=("erin",), password=None, events=())
    outcome = await store.users.set_password(
        a_password(), expected_hash="$argon2id$one", ends_everything=False, events=()
    )
    assert outcome == Stale()


async def test_deleting_a_person_takes_everything_that_is_theirs(world: World) -> None:
    session = a_session()
    await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    user_id, client_id = world.user.user_id, world.client.client_id
    await world.store.consents.allow(
        user_id, client_id, [(None, READ)], answered=(None, READ), epochs=world.epochs, now=NOW, events=()
    )
    assert await world.store.users.delete(user_id, events=()) == Done()
    assert await world.store.users.delete(user_id, events=()) == Missing()
    assert await world.store.users.get(user_id) is None
    assert await world.store.users.for_sign_in("erin") is None
    assert await world.store.sessions.get(session.key) is None
    assert await world.store.consents.of(user_id, client_id) == ()
    again = a_user("sub-other")
    assert await world.store.users.create(again, identifiers=("erin",), password=None, events=()) == Done()
    found = await world.store.users.for_sign_in("erin")
    assert found is not None
    assert (found.user.user_id, found.password) == (Subject("sub-other"), None)
