"""Directories: unique names and e-mail domains, and never a person without theirs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import DirectoryName
from innkeeper.server.model.registry import RegistryChange
from innkeeper.server.storage.outcomes import Conflict, Done, Missing
from tests.contract.store.builders import AnyStore, a_change, a_directory, a_user

CONTRACTORS = DirectoryName("contractors")


async def test_a_directory_is_kept_by_name_and_revision(store: AnyStore) -> None:
    directory = a_directory()
    assert await store.directories.create(directory, events=(a_change(),)) == Done()
    assert await store.directories.get(CONTRACTORS) == directory
    assert await store.directories.create(directory, events=()) == Conflict(what="name")
    assert await store.directories.replace(replace(directory, label="Firms"), events=()) == Done()
    late = await store.directories.replace(replace(directory, label="Late"), events=(a_change(),))
    assert late == Conflict(what="revision")
    assert await store.directories.get(CONTRACTORS) == replace(directory, label="Firms", revision=2)
    assert await store.directories.delete(CONTRACTORS, events=()) == Done()
    assert await store.directories.delete(CONTRACTORS, events=(a_change(),)) == Missing()
    assert await store.directories.replace(directory, events=(a_change(),)) == Missing()
    assert len(await store.audit_rows()) == 1


async def test_the_registry_knows_them_and_every_change(store: AnyStore) -> None:
    assert (await store.registry.snapshot()).directories == {}
    await store.directories.create(a_directory(), events=())
    assert (await store.registry.snapshot()).directories == {CONTRACTORS: a_directory()}
    await store.directories.replace(a_directory(), events=())
    await store.directories.delete(CONTRACTORS, events=())
    changes = await store.registry.changes_since(0)
    assert changes == tuple(
        RegistryChange(epoch=epoch, kind="directory", id="contractors") for epoch in (1, 2, 3)
    )


async def test_the_default_one_is_always_there_and_cannot_be_made(store: AnyStore) -> None:
    assert await store.directories.create(a_directory(DEFAULT_DIRECTORY), events=()) == Conflict(what="name")
    assert await store.directories.delete(DEFAULT_DIRECTORY, events=()) == Missing()
    assert await store.users.create(a_user(), identifiers=("erin",), password=None, events=()) == Done()


async def test_no_two_share_an_email_domain(store: AnyStore) -> None:
    await store.directories.create(a_directory(), events=())
    other = a_directory("partners", email_domains=("partner.test", "contractor.test"))
    assert await store.directories.create(other, events=(a_change(),)) == Conflict(what="contractor.test")
    mended = replace(other, email_domains=("partner.test",))
    assert await store.directories.create(mended, events=()) == Done()
    assert await store.directories.replace(other, events=(a_change(),)) == Conflict(what="contractor.test")
    assert await store.directories.get(other.name) == mended
    # Its own domains are no conflict with itself.
    assert await store.directories.replace(mended, events=()) == Done()
    assert await store.audit_rows() == ()


async def test_a_person_needs_a_directory_that_is_there(store: AnyStore) -> None:
    carl = a_user("sub-carl", directory=CONTRACTORS)
    assert (
        await store.users.create(carl, identifiers=("c",), password=None, events=(a_change(),)) == Missing()
    )
    assert await store.users.for_sign_in("c") is None
    await store.directories.create(a_directory(), events=())
    assert await store.users.create(carl, identifiers=("c",), password=None, events=()) == Done()
    assert await store.users.get(carl.user_id) == carl


@pytest.mark.parametrize("is_renamed", [False, True], ids=["as created", "changed since"])
async def test_a_directory_with_people_in_it_stays(store: AnyStore, is_renamed: bool) -> None:
    await store.directories.create(a_directory(), events=())
    carl = a_user("sub-carl", directory=CONTRACTORS)
    await store.users.create(carl, identifiers=("c",), password=None, events=())
    if is_renamed:
        await store.users.replace(replace(carl, username="karl"), identifiers=("c",), events=())
    assert await store.directories.delete(CONTRACTORS, events=(a_change(),)) == Conflict(what="people")
    assert await store.directories.get(CONTRACTORS) == a_directory()
    await store.users.delete(carl.user_id, events=())
    assert await store.directories.delete(CONTRACTORS, events=()) == Done()
