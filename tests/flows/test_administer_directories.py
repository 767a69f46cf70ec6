"""Directories and their people, as an administrator makes and changes them."""

from __future__ import annotations

import pytest

from innkeeper.server.flows.administer import directories, users
from innkeeper.server.flows.administer.directories import DirectoryChanges
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.flows.administer.users import NewUser, UserChanges
from innkeeper.server.model.directory import DEFAULT_DIRECTORY
from innkeeper.server.model.identifiers import DirectoryName
from tests.world import World, a_world

pytestmark = pytest.mark.anyio
CONTRACTORS = DirectoryName("contractors")
NOTHING = DirectoryChanges()


@pytest.fixture
async def world() -> World:
    made = await a_world()
    changes = DirectoryChanges(label="Contractors", email_domains=("Contractor.TEST", "contractor.test"))
    await directories.create(made.services, CONTRACTORS, changes)
    return made


async def test_a_directory_is_made_with_domains_in_their_normal_form(world: World) -> None:
    found = await directories.find(world.services, CONTRACTORS)
    assert (found.label, found.email_domains) == ("Contractors", ("contractor.test",))
    await world.services.registry.refresh()
    assert world.services.registry.snapshot.directories == {CONTRACTORS: found}


@pytest.mark.parametrize("name", ["", "a b", "-a", "a:b", "a/b", "ä", "x" * 65, "a\x1fb"])
async def test_a_name_that_could_not_travel_is_refused(world: World, name: str) -> None:
    with pytest.raises(Refused, match="letters, digits"):
        await directories.create(world.services, name, NOTHING)


@pytest.mark.parametrize(
    ("name", "changes", "because"),
    [
        ("contractors", NOTHING, "exists already"),
        ("default", NOTHING, "exists already"),
        ("other", DirectoryChanges(email_domains=("contractor.test",)), "contractor.test is taken"),
        ("other", DirectoryChanges(email_domains=("nothing",)), "not the domain"),
        ("other", DirectoryChanges(email_domains=("carl@contractor.test",)), "not the domain"),
        ("other", DirectoryChanges(label=" "), "label"),
        ("other", DirectoryChanges(label="a\nb"), "label"),
    ],
)
async def test_what_cannot_be_made(world: World, name: str, changes: DirectoryChanges, because: str) -> None:
    with pytest.raises(Refused, match=because):
        await directories.create(world.services, name, changes)
    assert len((await world.services.store.registry.snapshot()).directories) == 1


async def test_a_directory_is_changed_but_for_its_name(world: World) -> None:
    after = await directories.change(world.services, CONTRACTORS, DirectoryChanges(label="Firms"))
    assert (after.label, after.email_domains, after.revision) == ("Firms", ("contractor.test",), 2)
    bare = await directories.change(world.services, CONTRACTORS, DirectoryChanges(email_domains=("",)))
    assert bare.email_domains == ()
    await directories.create(world.services, "other", DirectoryChanges(email_domains=("contractor.test",)))
    with pytest.raises(Refused, match="is taken"):
        back = DirectoryChanges(email_domains=("contractor.test",))
        await directories.change(world.services, CONTRACTORS, back)
    with pytest.raises(Refused, match="no directory"):
        await directories.change(world.services, "nobody", NOTHING)


async def test_the_default_directory_is_always_there(world: World) -> None:
    assert (await directories.find(world.services, DEFAULT_DIRECTORY)).name == DEFAULT_DIRECTORY
    with pytest.raises(Refused, match="always there"):
        await directories.change(world.services, DEFAULT_DIRECTORY, NOTHING)
    with pytest.raises(Refused, match="always there"):
        await directories.delete(world.services, DEFAULT_DIRECTORY)


async def test_the_same_names_may_stand_in_two_directories(world: World) -> None:
    asked = NewUser(username="erin", email="erin@example.test", directory=CONTRACTORS)
    created = await users.create(world.services, asked)
    assert created.directory == CONTRACTORS
    for who in ("contractors:erin", "contractors:ERIN@example.test"):
        assert await users.find(world.services, who) == created
    assert (await users.find(world.services, "erin")).user_id == "ik|erin"
    assert (await users.find(world.services, "default:erin")).user_id == "ik|erin"
    with pytest.raises(Refused, match="erin is taken"):
        await users.create(world.services, asked)


async def test_a_person_is_changed_within_their_directory(world: World) -> None:
    await users.create(world.services, NewUser(username="carl", directory=CONTRACTORS))
    await users.create(world.services, NewUser(username="dora", directory=CONTRACTORS))
    renamed = await users.change(world.services, "contractors:carl", UserChanges(username="mona"))
    assert renamed.directory == CONTRACTORS
    with pytest.raises(Refused, match="Not changed: dora") as refused:
        await users.change(world.services, "contractors:mona", UserChanges(username="dora"))
    assert "\x1f" not in str(refused.value)


async def test_nobody_is_created_where_there_is_no_directory(world: World) -> None:
    with pytest.raises(Refused, match="no directory 'nobody'"):
        await users.create(world.services, NewUser(username="carl", directory=DirectoryName("nobody")))


async def test_a_directory_with_people_stays(world: World) -> None:
    await users.create(world.services, NewUser(username="carl", directory=CONTRACTORS))
    with pytest.raises(Refused, match="people in contractors"):
        await directories.delete(world.services, CONTRACTORS)
    await users.delete(world.services, "contractors:carl")
    await directories.delete(world.services, CONTRACTORS)
    with pytest.raises(Refused, match="no directory"):
        await directories.delete(world.services, CONTRACTORS)
