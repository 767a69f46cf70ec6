"""Twenty calls of each transition, released together: by tasks, by threads, by two writers on one file."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Blocked, Done, Missing
from tests.contract.store.builders import (
    HOUR,
    NOW,
    TIMESHEETS,
    AnyStore,
    a_change,
    a_client,
    a_directory,
    a_link,
    a_password,
    a_role,
    a_session,
    a_signing_key,
    a_token,
    a_user,
    an_api,
    an_attempt,
)
from tests.contract.store.rivals import Rivals

WIDTH = 20


def one(winner: str, loser: str) -> Counter[str]:
    return Counter({winner: 1, loser: WIDTH - 1})


async def test_twenty_redemptions_have_one_winner_and_end_the_grant(rivals: Rivals) -> None:
    world = rivals.world
    code, grant = await world.issued()

    async def redeem(store: AnyStore, number: int) -> Any:
        return await world.redeem(code, access_token=a_token(grant), store=store)

    assert await rivals.tally(redeem) == one("Redeemed", "Replayed")
    assert await world.is_revoked(grant.grant_id)
    assert await world.audit("code.redeemed") == 1
    assert await world.audit("code.replayed") == 1


async def test_twenty_burnings_burn_once(rivals: Rivals) -> None:
    code, _ = await rivals.world.issued()

    async def burn(store: AnyStore, number: int) -> Any:
        return await rivals.world.burn(code, store=store)

    assert await rivals.tally(burn) == one("Burnt", "AlreadyRedeemed")
    assert await rivals.world.audit("code.burnt") == 1


async def test_redemptions_and_burnings_have_one_winner_between_them(rivals: Rivals) -> None:
    code, _ = await rivals.world.issued()

    async def enter(store: AnyStore, number: int) -> Any:
        if number % 3:
            return await rivals.world.redeem(code, store=store)
        return await rivals.world.burn(code, store=store)

    tally = await rivals.tally(enter)
    assert tally["Redeemed"] + tally["Burnt"] == 1
    assert tally["Replayed"] + tally["AlreadyRedeemed"] == WIDTH - 1


async def test_redemption_and_revocation_leave_no_living_token(rivals: Rivals) -> None:
    world = rivals.world
    code, grant = await world.issued()

    async def enter(store: AnyStore, number: int) -> Any:
        if number == WIDTH // 2:
            return await store.grants.revoke(grant.grant_id, now=NOW, events=())
        return await world.redeem(code, store=store) if number == 0 else None

    tally = await rivals.tally(enter)
    assert tally["Redeemed"] + tally["Gone"] == 1
    assert await world.is_revoked(grant.grant_id)


async def test_one_code_is_issued_by_one_attempt(rivals: Rivals) -> None:
    code, grant = rivals.world.authorization()

    async def issue(store: AnyStore, number: int) -> Any:
        return await rivals.world.issue(code, grant, store=store)

    assert await rivals.tally(issue) == one("Done", "Stale")
    assert await rivals.world.audit("code.issued") == 1


async def test_a_grant_is_revoked_once_whoever_asks(rivals: Rivals) -> None:
    _, grant = await rivals.world.issued()

    async def revoke(store: AnyStore, number: int) -> Any:
        now = NOW + timedelta(seconds=number)
        return await store.grants.revoke(grant.grant_id, now=now, events=(a_change(),))

    assert await rivals.tally(revoke) == Counter(Done=WIDTH)
    assert await rivals.world.audit("record.changed") == 1


async def test_a_client_is_created_changed_and_deleted_once(rivals: Rivals) -> None:
    async def create(store: AnyStore, number: int) -> Any:
        return await store.clients.create(a_client("new", name=str(number)), events=())

    async def change(store: AnyStore, number: int) -> Any:
        return await store.clients.replace(a_client("new", name=f"again {number}"), events=())

    async def delete(store: AnyStore, number: int) -> Any:
        return await store.clients.delete(a_client("new").client_id, events=())

    before = (await rivals.world.store.registry.snapshot()).epoch
    assert await rivals.tally(create) == one("Done", "Conflict")
    assert await rivals.tally(change) == one("Done", "Conflict")
    assert await rivals.tally(delete) == one("Done", "Missing")
    assert len(await rivals.world.store.registry.changes_since(before)) == 3


async def test_an_api_is_created_changed_and_deleted_once(rivals: Rivals) -> None:
    api = an_api("https://new.test")

    async def create(store: AnyStore, number: int) -> Any:
        return await store.apis.create(replace(api, name=str(number)), events=())

    async def change(store: AnyStore, number: int) -> Any:
        return await store.apis.replace(replace(api, name=f"again {number}"), events=())

    async def delete(store: AnyStore, number: int) -> Any:
        return await store.apis.delete(api.identifier, events=())

    assert await rivals.tally(create) == one("Done", "Conflict")
    assert await rivals.tally(change) == one("Done", "Conflict")
    assert await rivals.tally(delete) == one("Done", "Missing")


async def test_a_directory_is_created_changed_and_deleted_once(rivals: Rivals) -> None:
    async def create(store: AnyStore, number: int) -> Any:
        return await store.directories.create(a_directory(label=str(number)), events=())

    async def change(store: AnyStore, number: int) -> Any:
        return await store.directories.replace(a_directory(label=f"again {number}"), events=())

    async def delete(store: AnyStore, number: int) -> Any:
        return await store.directories.delete(a_directory().name, events=())

    assert await rivals.tally(create) == one("Done", "Conflict")
    assert await rivals.tally(change) == one("Done", "Conflict")
    assert await rivals.tally(delete) == one("Done", "Missing")


async def test_an_email_domain_goes_to_one_of_the_directories_that_want_it(rivals: Rivals) -> None:
    async def create(store: AnyStore, number: int) -> Any:
        return await store.directories.create(a_directory(f"d{number}"), events=())

    assert await rivals.tally(create) == one("Done", "Conflict")
    assert len((await rivals.world.store.registry.snapshot()).directories) == 1


async def test_nobody_is_left_in_a_directory_that_is_deleted_meanwhile(rivals: Rivals) -> None:
    await rivals.world.store.directories.create(a_directory(), events=())

    async def enter_or_delete(store: AnyStore, number: int) -> Any:
        if number == 7:
            return await store.directories.delete(a_directory().name, events=())
        user = a_user(f"sub-{number}", directory=a_directory().name)
        return await store.users.create(user, identifiers=(f"n{number}",), password=None, events=())

    outcomes = await rivals.race(enter_or_delete)
    entered = [outcome for number, outcome in enumerate(outcomes) if number != 7]
    is_deleted = outcomes[7] == Done()
    assert all(outcome == Missing() for outcome in entered) if is_deleted else Done() in entered
    people = [user for user in await rivals.world.store.users.list() if user.directory == "contractors"]
    assert bool(people) != is_deleted
    assert (await rivals.world.store.directories.get(a_directory().name) is None) == is_deleted


async def test_a_role_is_created_changed_and_deleted_once(rivals: Rivals) -> None:
    async def create(store: AnyStore, number: int) -> Any:
        return await store.roles.create(a_role(description=str(number)), events=())

    async def change(store: AnyStore, number: int) -> Any:
        return await store.roles.replace(a_role(description=f"again {number}"), events=())

    async def delete(store: AnyStore, number: int) -> Any:
        return await store.roles.delete("Employee", events=())

    assert await rivals.tally(create) == one("Done", "Conflict")
    assert await rivals.tally(change) == one("Done", "Conflict")
    assert await rivals.tally(delete) == one("Done", "Missing")


async def test_signing_keys_are_rotated_by_one_process(rivals: Rivals) -> None:
    async def rotate(store: AnyStore, number: int) -> Any:
        return await store.signing_keys.put([a_signing_key(f"k{number}")], expected=[], events=())

    assert await rivals.tally(rotate) == one("Done", "Stale")
    assert len(await rivals.world.store.signing_keys.list()) == 1


async def test_a_person_is_created_and_changed_once(rivals: Rivals) -> None:
    async def create(store: AnyStore, number: int) -> Any:
        user = a_user(f"sub-{number}", username="mona")
        return await store.users.create(user, identifiers=("mona",), password=None, events=())

    async def change(store: AnyStore, number: int) -> Any:
        user = replace(rivals.world.user, email=f"{number}@exampleco.test")
        return await store.users.replace(user, identifiers=("erin",), events=())

    assert await rivals.tally(create) == one("Done", "Conflict")
    assert await rivals.tally(change) == one("Done", "Conflict")
    assert len(await rivals.world.store.users.list()) == 2


async def test_a_person_is_deleted_once(rivals: Rivals) -> None:
    async def delete(store: AnyStore, number: int) -> Any:
        return await store.users.delete(rivals.world.user.user_id, events=(a_change(),))

    assert await rivals.tally(delete) == one("Done", "Missing")
    assert await rivals.world.audit("record.changed") == 1


async def test_a_password_is_rehashed_once(rivals: Rivals) -> None:
    async def rehash(store: AnyStore, number: int) -> Any:
        return await store.users.set_password(
            a_password(hash=f"$argon2id$new-{number}"),
            expected_hash="$argon2id$one",
            ends_everything=False,
            events=(),
        )

    assert await rivals.tally(rehash) == one("Done", "Stale")


async def test_every_end_of_everything_moves_the_epoch(rivals: Rivals) -> None:
    async def end(store: AnyStore, number: int) -> Any:
        password = a_password(hash=f"$argon2id$new-{number}")
        return await store.users.set_password(password, expected_hash=None, ends_everything=True, events=())

    assert await rivals.tally(end) == Counter(Done=WIDTH)
    user = await rivals.world.store.users.get(rivals.world.user.user_id)
    assert user is not None
    assert (user.epoch, user.revision) == (1 + WIDTH, 1 + WIDTH)


async def test_parallel_guesses_are_all_counted(rivals: Rivals) -> None:
    limit = AttemptLimit(key=b"account", attempts=7, window=HOUR)

    async def guess(store: AnyStore, number: int) -> Any:
        return await store.throttles.attempt([limit], now=NOW)

    assert await rivals.tally(guess) == Counter(Allowed=7, Blocked=WIDTH - 7)


async def test_an_attempt_is_counted_on_all_counters_or_on_none(rivals: Rivals) -> None:
    account = AttemptLimit(key=b"account", attempts=3, window=HOUR)
    address = AttemptLimit(key=b"address", attempts=10, window=HOUR)
    throttles = rivals.world.store.throttles
    assert await throttles.attempt([account, address], now=NOW) == Allowed()

    async def guess(store: AnyStore, number: int) -> Any:
        return await store.throttles.attempt([account, address], now=NOW)

    assert await rivals.tally(guess) == Counter(Allowed=2, Blocked=WIDTH - 2)
    left = [await throttles.attempt([address], now=NOW) for _ in range(8)]
    assert left == [Allowed()] * 7 + [Blocked(until=NOW + HOUR)]


async def test_a_session_is_started_by_one_attempt_and_ended_once(rivals: Rivals) -> None:
    session = a_session()

    async def start(store: AnyStore, number: int) -> Any:
        return await store.sessions.start(session, replaces=None, attempt=an_attempt(), events=())

    async def end(store: AnyStore, number: int) -> Any:
        return await store.sessions.end(session.key, events=())

    assert await rivals.tally(start) == one("Done", "Stale")
    assert await rivals.tally(end) == one("Done", "Missing")


async def test_the_latest_use_of_a_session_counts(rivals: Rivals) -> None:
    session = a_session()
    sessions = rivals.world.store.sessions
    await sessions.start(session, replaces=None, attempt=an_attempt(), events=())

    async def touch(store: AnyStore, number: int) -> Any:
        used_at = NOW + timedelta(minutes=number)
        await store.sessions.touch(session.key, last_used_at=used_at, idle_expires_at=used_at + HOUR)

    await rivals.race(touch)
    found = await sessions.get(session.key)
    assert found is not None
    assert found.session.last_used_at == NOW + timedelta(minutes=WIDTH - 1)


async def test_consents_given_together_are_all_kept(rivals: Rivals) -> None:
    world = rivals.world
    user_id, client_id = world.user.user_id, world.client.client_id

    async def allow(store: AnyStore, number: int) -> Any:
        return await store.consents.allow(
            user_id,
            client_id,
            [(TIMESHEETS, Scope([f"scope:{number}"]))],
            answered=(TIMESHEETS, Scope()),
            epochs=world.epochs,
            now=NOW,
            events=(),
        )

    assert await rivals.tally(allow) == Counter(Done=WIDTH)
    [consent] = await world.store.consents.of(user_id, client_id)
    assert set(consent.scope) == {f"scope:{number}" for number in range(WIDTH)}


async def test_every_revocation_of_a_consent_moves_its_epoch(rivals: Rivals) -> None:
    world = rivals.world
    _, grant = await world.issued()

    async def revoke(store: AnyStore, number: int) -> Any:
        return await store.consents.revoke(grant.user_id, grant.client_id, events=())

    assert await rivals.tally(revoke) == Counter(Done=WIDTH)
    [consent] = await world.store.consents.of(grant.user_id, grant.client_id)
    assert consent.epoch == WIDTH


async def test_a_link_makes_one_administrator(rivals: Rivals) -> None:
    link = a_link()
    await rivals.world.store.links.create(link, events=())

    async def use(store: AnyStore, number: int) -> Any:
        user = a_user(f"sub-{number}", username=f"ada-{number}")
        return await store.links.create_first_administrator(
            link.key,
            user,
            identifiers=(user.username,),
            password=a_password(user.user_id),
            attempt=an_attempt(),
            now=NOW,
            events=(),
        )

    assert await rivals.tally(use) == one("Done", "Gone")
    assert len(await rivals.world.store.users.list()) == 2


async def test_an_instance_has_one_owner(rivals: Rivals) -> None:
    async def claim(store: AnyStore, number: int) -> Any:
        instance = Instance(issuer=f"https://{number}.test", master_check=b"", created_at=NOW)
        return await store.claim_instance(instance)

    answers = await rivals.race(claim)
    assert len({answer.issuer for answer in answers}) == 1


async def test_an_instance_gets_one_key(rivals: Rivals) -> None:
    unclaimed = Instance(issuer="https://one.test", master_check=b"", created_at=NOW)

    async def draw(store: AnyStore, number: int) -> Any:
        ours = await store.claim_instance(unclaimed)
        return await store.replace_instance(
            replace(ours, pairwise_key=bytes([number + 1])), expected=unclaimed
        )

    answers = await rivals.race(draw)
    assert len({answer.pairwise_key for answer in answers}) == 1 and answers[0].pairwise_key
