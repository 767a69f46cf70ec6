"""The COMMIT happened and its answer was lost: the store tries again and nobody notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Done, Overlapped, Redeemed, Replayed, Rotated
from tests.contract.store import families, laws
from tests.contract.store.builders import (
    HOUR,
    NOW,
    TIMESHEETS,
    World,
    a_change,
    a_client,
    a_directory,
    a_link,
    a_password,
    a_role,
    a_session,
    a_signing_key,
    a_trusted_issuer,
    a_user,
    an_api,
    an_assertion_use,
    an_attempt,
)

EVENTS = (a_change(),)
Transition = Callable[[World], Awaitable[Any]]


async def start_session(world: World) -> Any:
    return await world.store.sessions.start(a_session(), replaces=None, attempt=an_attempt(), events=EVENTS)


async def end_session(world: World) -> Any:
    session = a_session()
    await world.store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())
    world.store.lose_next_answer()
    return await world.store.sessions.end(session.key, events=EVENTS)


async def use_link(world: World) -> Any:
    link = a_link()
    await world.store.links.create(link, events=())
    world.store.lose_next_answer()
    return await world.store.links.create_first_administrator(
        link.key,
        a_user("sub-ada", username="ada"),
        identifiers=("ada",),
        password=a_password("sub-ada"),
        attempt=an_attempt(),
        now=NOW,
        events=EVENTS,
    )


async def create_link(world: World) -> Any:
    await world.store.links.create(a_link(), events=EVENTS)
    return Done()


async def rehash(world: World) -> Any:
    return await world.store.users.set_password(
        a_password(hash="$argon2id$two"), expected_hash="$argon2id$one", ends_everything=True, events=EVENTS
    )


async def create_user(world: World) -> Any:
    mona = a_user("sub-mona", username="mona")
    return await world.store.users.create(mona, identifiers=("mona",), password=None, events=EVENTS)


async def replace_user(world: World) -> Any:
    renamed = replace(world.user, email="erin@exampleco.test")
    return await world.store.users.replace(renamed, identifiers=("erin",), events=EVENTS)


async def replace_directory(world: World) -> Any:
    await world.store.directories.create(a_directory(), events=())
    world.store.lose_next_answer()
    return await world.store.directories.replace(a_directory(label="new"), events=EVENTS)


async def delete_directory(world: World) -> Any:
    await world.store.directories.create(a_directory(), events=())
    world.store.lose_next_answer()
    return await world.store.directories.delete(a_directory().name, events=EVENTS)


async def create_in_directory(world: World) -> Any:
    await world.store.directories.create(a_directory(), events=())
    world.store.lose_next_answer()
    carl = a_user("sub-carl", directory=a_directory().name)
    return await world.store.users.create(carl, identifiers=("carl",), password=None, events=EVENTS)


async def replace_issuer(world: World) -> Any:
    await world.store.trusted_issuers.create(a_trusted_issuer(), events=())
    world.store.lose_next_answer()
    return await world.store.trusted_issuers.replace(a_trusted_issuer(subject_is="email"), events=EVENTS)


async def delete_issuer(world: World) -> Any:
    await world.store.trusted_issuers.create(a_trusted_issuer(), events=())
    world.store.lose_next_answer()
    return await world.store.trusted_issuers.delete(a_trusted_issuer().issuer, events=EVENTS)


async def open_by_assertion(world: World) -> Any:
    await world.store.trusted_issuers.create(a_trusted_issuer(), events=())
    world.store.lose_next_answer()
    _, grant = world.authorization()
    return await world.store.grants.open_by_assertion(
        grant, assertion=an_assertion_use(), access_token=None, attempt=an_attempt(), events=EVENTS
    )


async def put_keys(world: World) -> Any:
    return await world.store.signing_keys.put([a_signing_key()], expected=[], events=EVENTS)


async def allow(world: World) -> Any:
    return await world.store.consents.allow(
        world.user.user_id,
        world.client.client_id,
        [(TIMESHEETS, laws.READ)],
        answered=(TIMESHEETS, laws.READ),
        epochs=world.epochs,
        now=NOW,
        events=EVENTS,
    )


async def revoke_consent(world: World) -> Any:
    await world.issued()
    world.store.lose_next_answer()
    user_id, client_id = world.user.user_id, world.client.client_id
    return await world.store.consents.revoke(user_id, client_id, events=EVENTS)


async def revoke_grant(world: World) -> Any:
    _, grant = await world.issued()
    world.store.lose_next_answer()
    return await world.store.grants.revoke(grant.grant_id, now=NOW, events=EVENTS)


TRANSITIONS: dict[str, Transition] = {
    "creating a client": lambda w: w.store.clients.create(a_client("new"), events=EVENTS),
    "replacing a client": lambda w: w.store.clients.replace(replace(w.client, name="new"), events=EVENTS),
    "deleting a client": lambda w: w.store.clients.delete(w.client.client_id, events=EVENTS),
    "creating an API": lambda w: w.store.apis.create(an_api("https://new.test"), events=EVENTS),
    "replacing an API": lambda w: w.store.apis.replace(replace(an_api(), name="new"), events=EVENTS),
    "deleting an API": lambda w: w.store.apis.delete(TIMESHEETS, events=EVENTS),
    "creating a role": lambda w: w.store.roles.create(a_role(), events=EVENTS),
    "creating a directory": lambda w: w.store.directories.create(a_directory(), events=EVENTS),
    "replacing a directory": replace_directory,
    "deleting a directory": delete_directory,
    "creating a person in a directory": create_in_directory,
    "trusting an issuer": lambda w: w.store.trusted_issuers.create(a_trusted_issuer(), events=EVENTS),
    "replacing a trusted issuer": replace_issuer,
    "deleting a trusted issuer": delete_issuer,
    "opening a grant by an assertion": open_by_assertion,
    "putting signing keys": put_keys,
    "creating a person": create_user,
    "replacing a person": replace_user,
    "deleting a person": lambda w: w.store.users.delete(w.user.user_id, events=EVENTS),
    "setting a password": rehash,
    "starting a session": start_session,
    "ending a session": end_session,
    "giving a consent": allow,
    "revoking a consent": revoke_consent,
    "revoking a grant": revoke_grant,
    "creating a link": create_link,
    "using a link": use_link,
}


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS.keys())
async def test_a_lost_answer_changes_neither_the_outcome_nor_the_audit_of(
    transition: Transition, world: World
) -> None:
    world.store.lose_next_answer()
    assert await transition(world) == Done()
    assert await world.audit("record.changed") == 1


async def test_a_redemption_whose_answer_was_lost_does_not_convict_itself(world: World) -> None:
    await laws.an_attempt_that_won_is_told_so_again(world)


async def test_an_issue_whose_answer_was_lost_is_told_again(world: World) -> None:
    await laws.an_issue_that_won_is_told_so_again(world)


async def test_a_burning_whose_answer_was_lost_is_told_again(world: World) -> None:
    await laws.a_burning_that_won_is_told_so_again(world)


async def test_a_replay_whose_answer_was_lost_is_one_replay(world: World) -> None:
    code, _ = await world.issued()
    assert await world.redeem(code) == Redeemed()
    world.store.lose_next_answer()
    assert await world.redeem(code) == Replayed()
    assert await world.audit("code.replayed") == 1


async def test_an_issue_whose_answer_was_lost_is_told_again_even_if_the_client_has_changed(
    world: World,
) -> None:
    code, grant = world.authorization()
    attempt = an_attempt()
    assert await world.issue(code, grant, attempt=attempt) == Done()
    await world.store.clients.replace(world.client, events=())
    assert await world.issue(code, grant, attempt=attempt) == Done()


async def test_an_attempt_counted_twice_errs_on_the_safe_side(world: World) -> None:
    limit = AttemptLimit(key=b"account", attempts=3, window=HOUR)
    world.store.lose_next_answer()
    assert await world.store.throttles.attempt([limit], now=NOW) == Allowed()


async def test_a_use_without_rotation_whose_answer_was_lost_is_one_use(world: World) -> None:
    """Its generation does not move, so only the attempt says that it has happened."""
    family = await families.begun(world)
    world.store.lose_next_answer()
    assert await families.rotate(world, family, is_rotating=False) == Rotated(generation=0)
    assert await world.audit("refresh.rotated") == 1


async def test_an_overlap_whose_answer_was_lost_is_answered(world: World) -> None:
    family = await families.begun(world)
    assert await families.rotate(world, family) == Rotated(generation=1)
    world.store.lose_next_answer()
    assert await families.rotate(world, family) == Overlapped(generation=1)
    assert not await world.is_revoked(family.grant_id)
