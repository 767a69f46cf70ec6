"""Clients, APIs, roles, signing keys, and how others learn that they have changed."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from innkeeper.server.model.identifiers import ApiIdentifier, ClientId
from innkeeper.server.model.registry import EVERYTHING, RegistryChange
from innkeeper.server.storage.outcomes import Conflict, Done, Missing, Stale
from tests.contract.store import laws
from tests.contract.store.builders import (
    NOW,
    TIMESHEETS,
    AnyStore,
    World,
    a_change,
    a_client,
    a_role,
    a_signing_key,
    an_api,
)


async def test_a_client_comes_back_as_it_was_stored(store: AnyStore) -> None:
    client = a_client(redirect_uris=("http://localhost:3000/callback",), is_first_party=False)
    assert await store.clients.create(client, events=(a_change(),)) == Done()
    assert await store.clients.get(client.client_id) == client
    assert await store.clients.list() == (client,)
    assert [row.type for row in await store.audit_rows()] == ["record.changed"]


async def test_an_unknown_client_is_nothing(store: AnyStore) -> None:
    unknown = ClientId("nobody")
    assert await store.clients.get(unknown) is None
    assert await store.clients.delete(unknown, events=(a_change(),)) == Missing()
    assert await store.clients.replace(a_client("nobody"), events=(a_change(),)) == Missing()
    assert await store.audit_rows() == ()


async def test_a_client_id_is_taken_once(store: AnyStore) -> None:
    assert await store.clients.create(a_client(name="one"), events=()) == Done()
    assert await store.clients.create(a_client(name="two"), events=()) == Conflict(what="client_id")
    assert await store.clients.create(a_client(name="one"), events=()) == Conflict(what="client_id")
    [stored] = await store.clients.list()
    assert stored.name == "one"


async def test_replacing_a_client_moves_its_revision_and_no_stale_form_wins(world: World) -> None:
    await laws.a_raced_client_has_one_change(world)
    stored = await world.store.clients.get(world.client.client_id)
    assert stored is not None
    assert stored.revision == 2


async def test_clients_are_found_by_their_web_origin_while_they_are_enabled(store: AnyStore) -> None:
    first = a_client("a", allowed_origins=("http://localhost:1", "http://localhost:2"))
    await store.clients.create(first, events=())
    await store.clients.create(a_client("b", allowed_origins=("http://localhost:2",)), events=())
    assert await store.clients.with_origin("http://localhost:2") == ("a", "b")
    await store.clients.replace(replace(first, allowed_origins=("http://localhost:1",)), events=())
    assert await store.clients.with_origin("http://localhost:2") == ("b",)
    await store.clients.replace(replace(first, is_enabled=False, revision=2), events=())
    assert await store.clients.with_origin("http://localhost:1") == ()
    await store.clients.delete(ClientId("b"), events=())
    assert await store.clients.with_origin("http://localhost:2") == ()


async def test_a_new_client_under_an_old_name_inherits_nothing(world: World) -> None:
    code, grant = await world.issued()
    user_id, client_id = world.user.user_id, world.client.client_id
    await world.store.consents.allow(
        user_id, client_id, [], answered=(TIMESHEETS, laws.READ), epochs=world.epochs, now=NOW, events=()
    )
    assert await world.store.clients.delete(client_id, events=()) == Done()
    assert await world.store.clients.create(world.client, events=()) == Done()
    successor = await world.store.clients.get(client_id)
    assert successor is not None
    assert successor.epoch > grant.epochs.client_epoch
    assert await world.redeem(code) == Stale()
    assert await world.store.consents.of(user_id, client_id) == ()


async def test_apis_and_roles_are_kept_by_name_and_revision(store: AnyStore) -> None:
    api, role = an_api(), a_role()
    assert await store.apis.create(api, events=()) == Done()
    assert await store.roles.create(role, events=()) == Done()
    assert await store.apis.create(api, events=()) == Conflict(what="identifier")
    assert await store.roles.create(role, events=()) == Conflict(what="name")
    assert await store.apis.replace(replace(api, name="Sheets"), events=()) == Done()
    assert await store.apis.replace(replace(api, name="Late"), events=()) == Conflict(what="revision")
    assert await store.roles.replace(replace(role, description="staff"), events=()) == Done()
    assert await store.roles.replace(replace(role, description="late"), events=()) == Conflict(
        what="revision"
    )
    assert await store.apis.get(api.identifier) == replace(api, name="Sheets", revision=2)
    assert await store.roles.get(role.name) == replace(role, description="staff", revision=2)
    assert await store.apis.delete(api.identifier, events=()) == Done()
    assert await store.roles.delete(role.name, events=()) == Done()
    assert await store.apis.delete(api.identifier, events=()) == Missing()
    assert await store.roles.delete(role.name, events=()) == Missing()
    assert await store.apis.replace(api, events=()) == Missing()
    assert await store.roles.replace(role, events=()) == Missing()
    assert await store.apis.get(ApiIdentifier(api.identifier)) is None
    assert await store.roles.get(role.name) is None


async def test_signing_keys_are_replaced_as_a_whole_and_only_from_what_was_seen(store: AnyStore) -> None:
    first, second = a_signing_key("k1"), a_signing_key("k2", published_at=NOW + timedelta(days=1))
    assert await store.signing_keys.put([first], expected=[], events=()) == Done()
    assert await store.signing_keys.put([second], expected=[], events=(a_change(),)) == Stale()
    moved = replace(first, retires_at=NOW)
    assert await store.signing_keys.put([second], expected=[moved], events=(a_change(),)) == Stale()
    assert await store.signing_keys.list() == (first,)
    assert await store.signing_keys.put([moved, second], expected=[first], events=(a_change(),)) == Done()
    assert await store.signing_keys.list() == (moved, second)
    assert len(await store.audit_rows()) == 1


async def test_every_change_of_the_registry_is_numbered_and_named(store: AnyStore) -> None:
    client, key = a_client(), a_signing_key()
    await store.clients.create(client, events=())
    await store.clients.replace(client, events=())
    await store.apis.create(an_api(), events=())
    await store.roles.create(a_role(), events=())
    await store.signing_keys.put([key], expected=[], events=())
    await store.signing_keys.put([key, a_signing_key("k2")], expected=[key], events=())
    await store.clients.delete(client.client_id, events=())
    changes = [
        ("client", "app"),
        ("client", "app"),
        ("api", TIMESHEETS),
        ("role", "Employee"),
        ("signing_key", "k1"),
        ("signing_key", "k2"),
        ("client", "app"),
    ]
    expected = tuple(
        RegistryChange(epoch=epoch, kind=kind, id=name) for epoch, (kind, name) in enumerate(changes, 1)
    )
    assert await store.registry.changes_since(0) == expected
    assert await store.registry.changes_since(5) == expected[5:]
    assert await store.registry.changes_since(7) == ()


async def test_a_history_that_is_not_the_one_that_was_read_is_told(store: AnyStore) -> None:
    """A promoted standby that lacked changes, or a restored backup: its numbers are used a second time."""
    empty = await store.registry.snapshot()
    await store.clients.create(a_client(), events=())
    read = await store.registry.snapshot()
    assert await store.registry.changes_since(read.epoch, tag=read.tag) == ()
    await store.clients.replace(a_client(), events=())
    [change] = await store.registry.changes_since(read.epoch, tag=read.tag)
    assert (change.epoch, change.kind, change.id) == (2, "client", "app")
    later = await store.registry.snapshot()
    assert later.tag != read.tag
    for epoch, tag in ((1, later.tag), (2, read.tag), (2, 0), (3, later.tag), (5, later.tag)):
        [everything] = await store.registry.changes_since(epoch, tag=tag)
        assert everything.kind == EVERYTHING
    # Whoever has read nothing yet hears all there is.
    assert len(await store.registry.changes_since(empty.epoch, tag=empty.tag)) == 2


async def test_a_refused_change_of_the_registry_leaves_no_trace(world: World) -> None:
    before = (await world.store.registry.snapshot()).epoch
    await world.store.clients.create(world.client, events=(a_change(),))
    await world.store.apis.create(an_api(), events=(a_change(),))
    await world.store.apis.delete(ApiIdentifier("https://nobody.test"), events=(a_change(),))
    assert await world.store.registry.changes_since(before) == ()
    assert await world.store.audit_rows() == ()


async def test_a_snapshot_holds_what_its_epoch_says(store: AnyStore) -> None:
    empty = await store.registry.snapshot()
    assert (empty.epoch, empty.apis, empty.roles, empty.signing_keys) == (0, {}, {}, {})
    await store.apis.create(an_api(), events=())
    await store.roles.create(a_role(), events=())
    await store.signing_keys.put([a_signing_key()], expected=[], events=())
    snapshot = await store.registry.snapshot()
    assert snapshot.epoch == 3
    assert snapshot.apis == {TIMESHEETS: an_api()}
    assert snapshot.roles == {"Employee": a_role()}
    assert snapshot.signing_keys == {"k1": a_signing_key()}
