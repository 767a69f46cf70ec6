"""`connection` at the authorization endpoint, and which directory the sign-in page looks a name up in (R-AZ10)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from innkeeper.server.model.directory import Directory
from innkeeper.server.model.identifiers import DirectoryName
from tests.attacks.authorizing import claims_of, tokens
from tests.attacks.oracles import is_redirect_error, no_row
from tests.passwords import CONTRACTORS, OTHER_PASSWORD, a_password_world
from tests.visitor import Visitor
from tests.world import PASSWORD, World

pytestmark = pytest.mark.anyio
ADDRESS = "carl@example.test"


@pytest.fixture
async def world() -> World:
    return await a_password_world()


async def sub_of(world: World, visitor: Visitor) -> str:
    answer = await tokens(world, visitor)
    subject: str = claims_of(answer["id_token"])["sub"]
    return subject


async def signing_in(world: World, username: str, password: str, **request: str | None) -> Visitor:
    visitor = Visitor(world)
    await visitor.authorize(**request)
    await visitor.sign_in(username, password)
    return visitor


@pytest.mark.parametrize("username", [ADDRESS, "carl", " CARL "])
async def test_the_directory_that_is_asked_for_is_the_one_that_is_looked_in(
    world: World, username: str
) -> None:
    theirs = await signing_in(world, username, OTHER_PASSWORD, connection=CONTRACTORS)
    assert await sub_of(world, theirs) == "ik|carl2"
    mine = await signing_in(world, username, PASSWORD, connection="default")
    assert await sub_of(world, mine) == "ik|carl"
    unnamed = await signing_in(world, username, PASSWORD)
    assert await sub_of(world, unnamed) == "ik|carl"


@pytest.mark.parametrize("connection", [None, "default", CONTRACTORS])
async def test_a_password_of_one_directory_opens_nothing_in_another(
    world: World, connection: str | None
) -> None:
    wrong = PASSWORD if connection == CONTRACTORS else OTHER_PASSWORD
    visitor = await signing_in(world, ADDRESS, wrong, connection=connection)
    assert visitor.response.status_code == 400


async def test_the_domain_of_an_address_chooses_where_nothing_was_asked_for(world: World) -> None:
    visitor = await signing_in(world, " DORA@Contractor.TEST", OTHER_PASSWORD)
    assert await sub_of(world, visitor) == "ik|dora"
    # By name alone nobody can know.
    assert (await signing_in(world, "dora", OTHER_PASSWORD)).response.status_code == 400
    # What the app asks for is stronger.
    named = await signing_in(world, "dora@contractor.test", OTHER_PASSWORD, connection="default")
    assert named.response.status_code == 400


@pytest.mark.parametrize("address", ["dora@contractor.test.evil.test", "dora@xcontractor.test", "@", "dora@"])
async def test_another_domain_is_another_domain(world: World, address: str) -> None:
    store = world.services.store
    empty = Directory(name=DirectoryName("empty"), label="Empty", email_domains=())
    await store.directories.create(empty, events=())
    await world.services.registry.refresh()
    assert (await signing_in(world, address, OTHER_PASSWORD)).response.status_code == 400


@pytest.mark.parametrize("connection", ["nobody", "Contractors", "contractors ", "x" * 300, "<script>"])
async def test_an_unknown_connection_is_refused_before_a_page(world: World, connection: str) -> None:
    visitor = Visitor(world)
    with no_row(world):
        await visitor.authorize(connection=connection, state="s")
        is_redirect_error(visitor.response, "invalid_request", state="s")
        await visitor.authorize(connection=connection, state="s", prompt="none")
        is_redirect_error(visitor.response, "invalid_request", state="s")


async def test_a_session_of_another_directory_is_no_answer(world: World) -> None:
    visitor = await signing_in(world, "carl", PASSWORD)
    await visitor.authorize(connection="default", prompt="none")
    assert visitor.answer()["code"]
    await visitor.authorize(connection=CONTRACTORS, prompt="none", state="s")
    is_redirect_error(visitor.response, "login_required", state="s")
    await visitor.authorize(connection=CONTRACTORS)
    await visitor.sign_in("carl", OTHER_PASSWORD)
    assert await sub_of(world, visitor) == "ik|carl2"
    # The browser has one session, and it is the new person's.
    await visitor.authorize(prompt="none")
    assert await sub_of(world, visitor) == "ik|carl2"


async def test_a_directory_that_is_deleted_meanwhile_ends_the_request(world: World) -> None:
    store = world.services.store
    empty = Directory(name=DirectoryName("empty"), label="Empty")
    await store.directories.create(empty, events=())
    await world.services.registry.refresh()
    visitor = Visitor(world)
    await visitor.authorize(connection="empty", state="s")
    await store.directories.delete(empty.name, events=())
    await world.services.registry.refresh()
    await visitor.sign_in("erin", PASSWORD)
    assert visitor.response.status_code == 400 and "code=" not in visitor.location


async def test_a_changed_domain_counts_from_the_next_try(world: World) -> None:
    store = world.services.store
    found = await store.directories.get(CONTRACTORS)
    assert found is not None
    await store.directories.replace(replace(found, email_domains=("example.test",)), events=())
    await world.services.registry.refresh()
    visitor = await signing_in(world, ADDRESS, OTHER_PASSWORD)
    assert await sub_of(world, visitor) == "ik|carl2"
