"""Counters of attempts, one-time links, the instance, the probe."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from innkeeper.server.model.identifiers import HandleKey
from innkeeper.server.model.instance import Instance
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import Allowed, Blocked, Conflict, Done, Gone
from tests.contract.store import laws
from tests.contract.store.builders import (
    HOUR,
    NOW,
    AnyStore,
    World,
    a_change,
    a_key,
    a_link,
    a_password,
    a_user,
    an_attempt,
)

MINUTE = timedelta(minutes=1)


def a_limit(key: bytes = b"account", attempts: int = 3, window: timedelta = MINUTE) -> AttemptLimit:
    return AttemptLimit(key=key, attempts=attempts, window=window)


async def test_attempts_are_counted_until_the_limit_and_again_after_the_window(store: AnyStore) -> None:
    for second in range(3):
        now = NOW + timedelta(seconds=second)
        assert await store.throttles.attempt([a_limit()], now=now) == Allowed()
    blocked = Blocked(until=NOW + MINUTE)
    assert await store.throttles.attempt([a_limit()], now=NOW + timedelta(seconds=59)) == blocked
    assert await store.throttles.attempt([a_limit()], now=NOW + MINUTE) == Allowed()
    assert await store.throttles.attempt([a_limit(attempts=1)], now=NOW + MINUTE) == Blocked(
        until=NOW + 2 * MINUTE
    )


async def test_an_attempt_that_one_limit_blocks_is_counted_on_no_other(store: AnyStore) -> None:
    account, address = a_limit(b"account", attempts=1), a_limit(b"address", attempts=2, window=HOUR)
    assert await store.throttles.attempt([account, address], now=NOW) == Allowed()
    for _ in range(5):
        assert await store.throttles.attempt([account, address], now=NOW) == Blocked(until=NOW + MINUTE)
    assert await store.throttles.attempt([address], now=NOW) == Allowed()
    assert await store.throttles.attempt([account, address], now=NOW) == Blocked(until=NOW + HOUR)


async def test_success_forgets_the_attempts(store: AnyStore) -> None:
    assert await store.throttles.attempt([a_limit(attempts=1)], now=NOW) == Allowed()
    await store.throttles.forget([b"account", b"unknown"])
    assert await store.throttles.attempt([a_limit(attempts=1)], now=NOW) == Allowed()


async def test_a_link_is_used_once(world: World) -> None:
    await laws.a_link_is_used_once(world)


async def test_a_link_is_shown_until_it_is_used(store: AnyStore) -> None:
    link = a_link()
    await store.links.create(link, events=(a_change(),))
    assert await store.links.get(link.key) == link
    assert await store.links.get(a_key()) is None
    assert await use(store, link.key) == Done()
    assert await store.links.get(link.key) is None
    found = await store.users.for_sign_in("ada")
    assert found is not None
    assert found.password == a_password("sub-ada")


async def test_an_expired_or_unknown_link_is_gone(store: AnyStore) -> None:
    link = a_link(expires_at=NOW)
    await store.links.create(link, events=())
    assert await use(store, link.key) == Gone()
    assert await use(store, a_key()) == Gone()
    assert await store.users.list() == ()


async def test_a_link_survives_a_taken_name(world: World) -> None:
    link = a_link()
    await world.store.links.create(link, events=())
    assert await use(world.store, link.key, name="erin") == Conflict(what="erin")
    assert await world.store.users.get(a_user("sub-ada").user_id) is None
    assert await world.store.links.get(link.key) == link
    assert await use(world.store, link.key) == Done()


async def test_the_first_administrator_closes_every_other_link(store: AnyStore) -> None:
    used, forgotten = a_link(), a_link()
    for link in (used, forgotten):
        await store.links.create(link, events=())
    assert await use(store, used.key) == Done()
    assert await store.links.get(forgotten.key) is None
    assert await use(store, forgotten.key, name="mallory") == Gone()


async def use(store: AnyStore, key: HandleKey, *, name: str = "ada") -> Done | Gone | Conflict:
    return await store.links.create_first_administrator(
        key,
        a_user("sub-ada", username=name),
        identifiers=(name,),
        password=a_password("sub-ada"),
        attempt=an_attempt(),
        now=NOW,
        events=(a_change(),),
    )


async def test_an_instance_is_claimed_once(store: AnyStore) -> None:
    ours = Instance(issuer="https://one.test", master_check=b"1", created_at=NOW)
    theirs = replace(ours, issuer="https://two.test")
    assert await store.instance() is None
    assert await store.claim_instance(ours) == ours
    assert await store.claim_instance(theirs) == ours
    assert await store.instance() == ours


async def test_an_instance_is_replaced_on_what_was_read_and_on_nothing_else(store: AnyStore) -> None:
    before = await store.claim_instance(
        Instance(issuer="https://one.test", master_check=b"1", created_at=NOW)
    )
    after = replace(before, pairwise_key=b"k")
    assert await store.replace_instance(after, expected=before) == after
    assert await store.replace_instance(replace(before, pairwise_key=b"l"), expected=before) == after
    assert await store.instance() == after


async def test_a_store_that_can_write_passes_the_probe(store: AnyStore) -> None:
    await store.probe()
