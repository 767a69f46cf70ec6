"""Trusted issuers: unique, of a directory that is there, and each of their assertions opens one grant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.model.identifiers import DirectoryName, IssuerName
from innkeeper.server.model.registry import RegistryChange
from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed, Conflict, Done, Missing, Stale
from tests.contract.store.builders import (
    HOUR,
    NOW,
    AnyStore,
    World,
    a_change,
    a_directory,
    a_trusted_issuer,
    an_assertion_use,
    an_attempt,
)
from tests.contract.store.rivals import Rivals
from tests.contract.store.test_races import one

PARTNER = IssuerName("https://partner.test")


async def test_an_issuer_is_kept_by_name_and_revision(store: AnyStore) -> None:
    issuer, issuers = a_trusted_issuer(), store.trusted_issuers
    assert await issuers.create(issuer, events=(a_change(),)) == Done()
    assert await issuers.get(PARTNER) == issuer
    assert await issuers.create(issuer, events=()) == Conflict(what="issuer")
    assert await issuers.replace(replace(issuer, subject_is="email"), events=()) == Done()
    assert await issuers.replace(issuer, events=(a_change(),)) == Conflict(what="revision")
    assert await issuers.get(PARTNER) == replace(issuer, subject_is="email", revision=2)
    assert await issuers.delete(PARTNER, events=()) == Done()
    assert await issuers.delete(PARTNER, events=(a_change(),)) == Missing()
    assert await issuers.replace(issuer, events=(a_change(),)) == Missing()
    assert len(await store.audit_rows()) == 1


async def test_the_registry_knows_them_and_every_change(store: AnyStore) -> None:
    assert (await store.registry.snapshot()).trusted_issuers == {}
    await store.trusted_issuers.create(a_trusted_issuer(), events=())
    assert (await store.registry.snapshot()).trusted_issuers == {PARTNER: a_trusted_issuer()}
    await store.trusted_issuers.replace(a_trusted_issuer(), events=())
    await store.trusted_issuers.delete(PARTNER, events=())
    changes = await store.registry.changes_since(0)
    assert changes == tuple(
        RegistryChange(epoch=epoch, kind="trusted_issuer", id=PARTNER) for epoch in (1, 2, 3)
    )


async def test_its_directory_is_there_and_stays(store: AnyStore) -> None:
    issuer = a_trusted_issuer(directory=DirectoryName("contractors"))
    assert await store.trusted_issuers.create(issuer, events=(a_change(),)) == Conflict(what="directory")
    await store.directories.create(a_directory(), events=())
    assert await store.trusted_issuers.create(issuer, events=()) == Done()
    elsewhere = replace(issuer, directory=DirectoryName("nowhere"))
    assert await store.trusted_issuers.replace(elsewhere, events=(a_change(),)) == Conflict(what="directory")
    assert await store.directories.delete(issuer.directory, events=(a_change(),)) == Conflict(what="issuers")
    assert await store.trusted_issuers.replace(a_trusted_issuer(), events=()) == Done()
    assert await store.directories.delete(issuer.directory, events=()) == Done()
    assert await store.audit_rows() == ()


async def opened(world: World, **changes: Any) -> Any:
    """By a fresh grant, attempt and the one assertion, but for what is changed."""
    _, grant = world.authorization()
    given: dict[str, Any] = {
        "assertion": an_assertion_use(),
        "access_token": None,
        "attempt": an_attempt(),
        "events": (a_change(),),
    }
    grant = changes.pop("grant", grant)
    return await world.store.grants.open_by_assertion(grant, **(given | changes))


async def test_an_assertion_opens_one_grant(world: World) -> None:
    await world.store.trusted_issuers.create(a_trusted_issuer(), events=())
    _, grant = world.authorization()
    attempt = an_attempt()
    assert await opened(world, grant=grant, attempt=attempt) == Done()
    assert await opened(world, grant=grant, attempt=attempt) == Done()
    assert await opened(world) == AlreadyClaimed()
    assert await opened(world, assertion=an_assertion_use(1)) == Done()
    assert await world.audit("record.changed") == 2
    # The same table holds what apps proved themselves with.
    assert (
        await world.store.assertion_ids.claim(bytes(32), expires_at=NOW, attempt=an_attempt())
        == AlreadyClaimed()
    )


async def test_it_is_remembered_until_it_would_have_ended(world: World) -> None:
    await world.store.trusted_issuers.create(a_trusted_issuer(), events=())
    assert await opened(world) == Done()
    await world.store.purge(now=NOW + 2 * HOUR - timedelta(seconds=1), limit=1000)
    assert await opened(world) == AlreadyClaimed()
    await world.store.purge(now=NOW + 2 * HOUR + timedelta(seconds=2), limit=1000)
    assert await opened(world) == Done()


@pytest.mark.parametrize("moved", ["issuer", "no issuer", "client", "user"])
async def test_what_is_decided_on_moved_records_uses_nothing_up(world: World, moved: str) -> None:
    issuers = world.store.trusted_issuers
    await issuers.create(a_trusted_issuer(), events=())
    if moved == "issuer":
        await issuers.replace(a_trusted_issuer(), events=())
    elif moved == "no issuer":
        await issuers.delete(PARTNER, events=())
    elif moved == "client":
        await world.store.clients.replace(world.client, events=())
    else:
        await world.store.users.delete(world.user.user_id, events=())
    assert await opened(world) == Stale()
    assert await world.audit("record.changed") == 0
    assert await world.store.assertion_ids.claim(bytes(32), expires_at=NOW, attempt=an_attempt()) == Claimed()


async def test_of_twenty_uses_of_one_assertion_one_opens_a_grant(rivals: Rivals) -> None:
    await rivals.world.store.trusted_issuers.create(a_trusted_issuer(), events=())

    async def use(store: AnyStore, number: int) -> Any:
        _, grant = rivals.world.authorization()
        return await store.grants.open_by_assertion(
            grant, assertion=an_assertion_use(), access_token=None, attempt=an_attempt(), events=()
        )

    assert await rivals.tally(use) == one("Done", "AlreadyClaimed")


async def test_an_issuer_is_created_changed_and_deleted_once(rivals: Rivals) -> None:
    async def create(store: AnyStore, number: int) -> Any:
        return await store.trusted_issuers.create(a_trusted_issuer(jwks_uri=str(number)), events=())

    async def change(store: AnyStore, number: int) -> Any:
        return await store.trusted_issuers.replace(a_trusted_issuer(jwks_uri=f"again {number}"), events=())

    async def delete(store: AnyStore, number: int) -> Any:
        return await store.trusted_issuers.delete(PARTNER, events=())

    assert await rivals.tally(create) == one("Done", "Conflict")
    assert await rivals.tally(change) == one("Done", "Conflict")
    assert await rivals.tally(delete) == one("Done", "Missing")


async def test_no_issuer_is_left_without_its_directory(rivals: Rivals) -> None:
    await rivals.world.store.directories.create(a_directory(), events=())

    async def trust_or_delete(store: AnyStore, number: int) -> Any:
        if number == 7:
            return await store.directories.delete(a_directory().name, events=())
        issuer = a_trusted_issuer(f"https://{number}.test", directory=a_directory().name)
        return await store.trusted_issuers.create(issuer, events=())

    outcomes = await rivals.race(trust_or_delete)
    snapshot = await rivals.world.store.registry.snapshot()
    assert bool(snapshot.trusted_issuers) == (a_directory().name in snapshot.directories)
    assert (outcomes[7] == Done()) != bool(snapshot.trusted_issuers)
