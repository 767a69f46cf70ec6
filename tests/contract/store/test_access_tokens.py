"""Access tokens in the store: opaque ones of people and of clients that act for themselves, and denied ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.model.access_token import OpaqueAccessToken
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import ClientStanding, Done, Missing, OpaqueStanding, Stale
from innkeeper.server.storage.sqlite import access_tokens as sqlite_access_tokens
from innkeeper.server.storage.sqlite import open_store
from tests.contract.store.builders import (
    NOW,
    AnyStore,
    World,
    a_change,
    a_client,
    a_key,
    a_machine_token,
    a_token,
    opaque,
)
from tests.contract.store.rivals import Rivals

WIDTH = 20
APP = ClientId("app")


async def issue(
    world: World, token: OpaqueAccessToken, *, revision: int = 1, store: AnyStore | None = None
) -> Done | Stale:
    tokens = (store or world.store).access_tokens
    return await tokens.issue(token, client_revision=revision, events=(a_change(),))


async def set_client(world: World, **changes: Any) -> None:
    client = await world.store.clients.get(APP)
    assert client is not None
    assert await world.store.clients.replace(replace(client, **changes), events=()) == Done()


# ------------------------------------------------------------ of a client that acts for itself


async def a_machines_token_is_found_with_what_it_stands_on(world: World) -> None:
    token = a_machine_token()
    assert await issue(world, token) == Done()
    standing = ClientStanding(client_epoch=1, tokens_not_before=None)
    found = await world.store.access_tokens.opaque_standing(token.key)
    assert found == OpaqueStanding(token=token, standing=standing)
    assert await world.store.access_tokens.opaque_standing(a_key()) is None


async def a_machines_token_is_issued_on_what_was_decided(world: World) -> None:
    for revision, epoch in ((2, 1), (1, 2)):
        token = a_machine_token(client_epoch=epoch)
        assert await issue(world, token, revision=revision) == Stale()
        assert await world.store.access_tokens.opaque_standing(token.key) is None
    assert await issue(world, a_machine_token("nobody")) == Stale()
    assert await world.audit("record.changed") == 0


async def a_disabled_client_gets_none(world: World) -> None:
    await set_client(world, is_enabled=False)
    assert await issue(world, a_machine_token(), revision=2) == Stale()


async def a_client_that_ended_is_told_at_once(world: World) -> None:
    token = a_machine_token()
    assert await issue(world, token) == Done()
    not_before = NOW + timedelta(microseconds=5)
    await set_client(world, epoch=2, tokens_not_before=not_before)
    moved = ClientStanding(client_epoch=2, tokens_not_before=not_before)
    assert await world.store.access_tokens.client_standing(APP, token.key) == moved
    await set_client(world, is_enabled=False)
    gone = ClientStanding(client_epoch=None, tokens_not_before=None)
    found = await world.store.access_tokens.opaque_standing(token.key)
    assert found == OpaqueStanding(token=token, standing=gone)
    assert await world.store.access_tokens.client_standing(APP) == gone
    await world.store.clients.delete(APP, events=())
    assert await world.store.access_tokens.client_standing(APP) == gone
    assert await world.store.access_tokens.opaque_standing(token.key) == found


async def no_change_of_a_client_takes_back_what_it_ended(world: World) -> None:
    """A restore moves the instant where the record does not show it: whoever replaces the record knows an older one."""
    latest = NOW + timedelta(seconds=5)
    for said, expected in ((None, None), (NOW, NOW), (latest, latest), (NOW, latest), (None, latest)):
        await set_client(world, tokens_not_before=said)
        assert (await world.store.access_tokens.client_standing(APP)).tokens_not_before == expected


async def a_denied_token_of_a_client_is_told(world: World) -> None:
    token = a_machine_token()
    assert await issue(world, token) == Done()
    for key in (token.key, a_key()):
        assert await world.store.access_tokens.deny(key, expires_at=token.expires_at, events=()) == Done()
        assert (await world.store.access_tokens.client_standing(APP, key)).is_denied
    found = await world.store.access_tokens.opaque_standing(token.key)
    assert found is not None and found.standing.is_denied
    assert not (await world.store.access_tokens.client_standing(APP, a_key())).is_denied
    assert not (await world.store.access_tokens.client_standing(APP)).is_denied


async def a_person_s_token_dies_with_its_disabled_client(world: World) -> None:
    code, grant = await world.issued()
    token = a_token(grant)
    await world.redeem(code, access_token=token)
    standing = await opaque(world, token)
    assert standing is not None and standing.client_epoch == 1
    await set_client(world, is_enabled=False)
    for standing in (await opaque(world, token), await world.store.grants.standing(grant.grant_id)):
        assert standing is not None and standing.client_epoch is None


LAWS = (
    a_machines_token_is_found_with_what_it_stands_on,
    a_machines_token_is_issued_on_what_was_decided,
    a_disabled_client_gets_none,
    a_client_that_ended_is_told_at_once,
    no_change_of_a_client_takes_back_what_it_ended,
    a_denied_token_of_a_client_is_told,
    a_person_s_token_dies_with_its_disabled_client,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_a_store_keeps_access_tokens(law: Callable[[World], Awaitable[None]], world: World) -> None:
    await law(world)


async def test_a_token_whose_grant_is_gone_is_gone(world: World) -> None:
    code, grant = await world.issued()
    token = a_token(grant, key=a_key(NOW + timedelta(days=9)), expires_at=NOW + timedelta(days=9))
    await world.redeem(code, access_token=token)
    await world.store.purge(now=NOW + timedelta(days=1), limit=1000)
    assert await world.store.grants.revoke(grant.grant_id, now=NOW, events=()) == Missing()
    assert await world.store.access_tokens.opaque_standing(token.key) is None


async def test_a_machines_token_goes_when_it_is_over(world: World) -> None:
    token = a_machine_token()
    await issue(world, token)
    assert await world.store.purge(now=token.expires_at, limit=1000) == 0
    assert await world.store.purge(now=token.expires_at + timedelta(hours=2), limit=1000) == 1
    assert await world.store.access_tokens.opaque_standing(token.key) is None


async def test_a_lost_answer_is_told_again_and_leaves_one_audit_row(world: World) -> None:
    token = a_machine_token()
    world.store.lose_next_answer()
    assert await issue(world, token) == Done()
    assert await world.audit("record.changed") == 1


async def test_each_look_costs_one_read(world: World) -> None:
    token = a_machine_token()
    await issue(world, token)
    before = world.store.counters.reads
    await world.store.access_tokens.opaque_standing(token.key)
    await world.store.access_tokens.client_standing(APP, token.key)
    assert world.store.counters.reads - before == 2


# ------------------------------------------------------------ races


async def test_twenty_issues_of_one_token_leave_one_row(rivals: Rivals) -> None:
    token = a_machine_token()

    async def enter(store: AnyStore, number: int) -> Any:
        return await issue(rivals.world, token, store=store)

    assert await rivals.tally(enter) == Counter(Done=WIDTH)
    assert await rivals.world.audit("record.changed") == 1


async def test_no_token_lives_that_was_issued_while_its_client_ended(rivals: Rivals) -> None:
    tokens = [a_machine_token() for _ in range(WIDTH)]

    async def enter(store: AnyStore, number: int) -> Any:
        if number == WIDTH // 2:
            client = await store.clients.get(APP)
            assert client is not None
            return await store.clients.replace(replace(client, epoch=2), events=())
        return await issue(rivals.world, tokens[number], store=store)

    outcomes = await rivals.race(enter)
    issued = 0
    for token, outcome in zip(tokens, outcomes, strict=True):
        found = await rivals.world.store.access_tokens.opaque_standing(token.key)
        if token is not tokens[WIDTH // 2]:
            assert (found is not None) == (outcome == Done())
        if found is not None:
            issued += 1
            assert isinstance(found.standing, ClientStanding)
            assert found.standing.client_epoch == 2 != token.client_epoch
    assert await rivals.world.audit("record.changed") == issued


async def test_twenty_denials_leave_one_audit_row(rivals: Rivals) -> None:
    token = a_machine_token()

    async def enter(store: AnyStore, number: int) -> Any:
        return await store.access_tokens.deny(token.key, expires_at=NOW, events=(a_change(),))

    assert await rivals.tally(enter) == Counter(Done=WIDTH)
    assert await rivals.world.audit("record.changed") == 1


# ------------------------------------------------------------ stores that were broken on purpose

BROKEN: dict[str, tuple[str, str, str, Callable[[World], Awaitable[None]]]] = {
    "an issue that does not ask for the revision": (
        "ISSUE",
        "AND c.revision = ?5",
        "AND ?5 IS NOT NULL",
        a_machines_token_is_issued_on_what_was_decided,
    ),
    "an issue that does not ask for the epoch": (
        "ISSUE",
        "AND c.epoch = ?6",
        "AND ?6 IS NOT NULL",
        a_machines_token_is_issued_on_what_was_decided,
    ),
    "an issue to a client that is disabled": (
        "ISSUE",
        "AND c.is_enabled = 1",
        "",
        a_disabled_client_gets_none,
    ),
    "a look at an opaque token that overlooks a disabled client": (
        "OPAQUE_STANDING",
        "AND c.is_enabled = 1",
        "",
        a_client_that_ended_is_told_at_once,
    ),
    "a look at a client that overlooks that it is disabled": (
        "CLIENT_STANDING",
        "AND c.is_enabled = 1",
        "",
        a_client_that_ended_is_told_at_once,
    ),
    "a look at a client that overlooks what was denied": (
        "CLIENT_STANDING",
        "WHERE d.token_key = ?2",
        "WHERE d.token_key = ?2 AND 0",
        a_denied_token_of_a_client_is_told,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_the_contract_catches(name: str, monkeypatch: pytest.MonkeyPatch, database: Path) -> None:
    statement, condition, instead, law = BROKEN[name]
    whole: str = getattr(sqlite_access_tokens, statement)
    assert condition in whole, "the statement has changed: take the condition out of the new one"
    monkeypatch.setattr(sqlite_access_tokens, statement, whole.replace(condition, instead))
    store = open_store(database)
    try:
        world = await World(store).build()
        with pytest.raises(AssertionError):
            await law(world)
    finally:
        await store.close()


async def test_two_clients_of_one_name_are_told_apart(world: World) -> None:
    token = a_machine_token()
    await issue(world, token)
    await world.store.clients.delete(APP, events=())
    await world.store.clients.create(a_client(), events=())
    standing = await world.store.access_tokens.client_standing(APP, token.key)
    assert standing.client_epoch is not None and standing.client_epoch > token.client_epoch
