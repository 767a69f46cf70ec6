"""After a change of the master secret everything that is stored moves to the new key, and the old one can go."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from innkeeper.server import app
from innkeeper.server.flows.client_authentication import sealed_for
from innkeeper.server.flows.keys import new_record, unseal
from innkeeper.server.flows.reseal import reseal
from innkeeper.server.flows.seals import Seals
from innkeeper.server.flows.services import Services
from innkeeper.server.jobs.runner import JOBS
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.secret import Secret
from innkeeper.server.storage.memory.store import MemoryStore
from innkeeper.server.storage.outcomes import Done, Stale
from tests.docs.test_shown_in_a_world import audited
from tests.world import MASTER, World, a_client, a_user, a_world

NEW = MasterKey(key_id=7, value=Secret(b"n" * 32))
RING = MasterSecret(ring=(NEW, *MASTER.ring))
ALONE = MasterSecret(ring=(NEW,))


@pytest.fixture
async def world() -> World:
    """With a signing key and a client secret that are sealed under the old key."""
    made = await a_world()
    store = made.services.store
    old = Seals(MASTER, "", os.urandom)
    now = made.clock.now()
    records = await store.signing_keys.list()
    es256 = new_record("ES256", old, published_at=now, activates_at=now)
    assert await store.signing_keys.put([es256], expected=records, events=()) == Done()
    web = await store.clients.get(ClientId("web"))
    assert web is not None
    sealed = old.seal("at-rest", b"the secret", associated=sealed_for("web"))
    secret = replace(web.secrets[0], sealed=sealed)
    await store.clients.replace(replace(web, secrets=(secret,)), events=())
    return made


async def started(world: World, master: MasterSecret) -> Services:
    """The server on the same database with this ring."""
    services = world.services
    return await app.open_services(services.settings, services.store, master, clock=world.clock)


async def test_the_old_key_can_go_once_everything_is_sealed_anew(world: World) -> None:
    before = await started(world, MASTER)
    with pytest.raises(app.StartRefused, match="another master secret"):
        await started(world, ALONE)
    assert await reseal(await started(world, RING))
    after = await started(world, ALONE)
    [key] = await after.store.signing_keys.list()
    assert unseal(key, after.at_rest)
    web = await after.store.clients.get(ClientId("web"))
    assert web is not None
    assert web.secrets[0].sealed is not None
    assert after.at_rest.open("at-rest", web.secrets[0].sealed, associated=sealed_for("web")) == b"the secret"
    pairwise, person = a_client(subject_type="pairwise"), a_user("erin")
    assert after.subjects.of(person, pairwise) == before.subjects.of(person, pairwise)
    with pytest.raises(app.StartRefused):
        await started(world, MASTER)


async def test_it_happens_once_and_costs_one_read_afterwards(world: World) -> None:
    services = await started(world, RING)
    store = services.store
    assert isinstance(store, MemoryStore)
    assert await reseal(services)
    written = (await store.signing_keys.list(), await store.clients.list(), await store.instance())
    assert await reseal(services)
    assert (await store.signing_keys.list(), await store.clients.list(), await store.instance()) == written
    assert audited(world).count("record.changed") == 1


async def test_without_another_key_nothing_is_written(world: World) -> None:
    assert await reseal(await started(world, MASTER))
    assert audited(world).count("record.changed") == 0


async def test_the_mark_moves_last_so_that_a_half_done_move_is_never_taken_for_a_whole_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = await started(world, RING)

    async def overtaken(*_: object, **__: object) -> Stale:
        return Stale()

    with monkeypatch.context() as patched:
        patched.setattr(services.store.clients, "replace", overtaken)
        assert not await reseal(services)
    with pytest.raises(app.StartRefused):
        await started(world, ALONE)
    assert await reseal(services)
    await started(world, ALONE)


def test_the_serving_process_does_it_by_itself() -> None:
    assert "reseal" in {job.name for job in JOBS}
