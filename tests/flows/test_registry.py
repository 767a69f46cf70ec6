"""The registry in memory: what it believes, and for how long."""

from __future__ import annotations

import msgspec
import pytest

from innkeeper.server.flows.registry import MAX_SILENCE_S, Registry
from innkeeper.server.model.client import Client
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.model.registry import RegistrySnapshot
from innkeeper.server.storage.memory.store import MemoryStore
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.contract.store.builders import an_api
from tests.world import a_client


class Monotonic:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def a_registry() -> tuple[MemoryStore, Registry, Monotonic]:
    store, clock = MemoryStore(), Monotonic()
    await store.clients.create(a_client("web"), events=())
    registry = Registry(store, await store.registry.snapshot(), lambda snapshot: None, clock)
    assert await registry.client("web") is not None
    return store, registry, clock


async def test_a_cached_client_costs_no_read() -> None:
    store, registry, _ = await a_registry()
    reads = store.counters.reads
    assert await registry.client("web") is not None
    assert store.counters.reads == reads


async def test_when_changes_cannot_be_heard_the_cache_is_not_believed_for_long() -> None:
    store, registry, clock = await a_registry()
    store.is_away = True
    clock.seconds = MAX_SILENCE_S
    assert await registry.client("web") is not None
    clock.seconds += 0.1
    with pytest.raises(StoreUnavailable):
        await registry.client("web")


async def test_a_refresh_that_succeeds_makes_the_cache_good_again() -> None:
    store, registry, clock = await a_registry()
    clock.seconds = 60
    assert await registry.refresh() is False
    reads = store.counters.reads
    assert await registry.client("web") is not None
    assert store.counters.reads == reads


async def test_the_bound_is_the_one_that_operators_are_promised() -> None:
    """docs/operate.md: within a second on every node, even on one that cannot hear of changes."""
    store, registry, clock = await a_registry()
    client = await store.clients.get(ClientId("web"))
    assert client is not None
    await store.clients.replace(msgspec.structs.replace(client, is_enabled=False), events=())
    clock.seconds = 1.01
    found = await registry.client("web")
    assert found is not None and not found.is_enabled


async def after_a_failover(changes: int = 1) -> tuple[Registry, MemoryStore]:
    """The registry has read and cached what the promoted standby never got, and more of it than that has."""
    store, registry, _ = await a_registry()
    for name in ("one", "two", "three"):
        await store.clients.create(a_client(name), events=())
    await store.apis.create(an_api("https://lost.test"), events=())
    await registry.refresh()
    assert await registry.client("three") is not None
    assert await registry.client("unknown") is None
    promoted = MemoryStore()
    await promoted.clients.create(a_client("web"), events=())
    client = await promoted.clients.get(ClientId("web"))
    assert client is not None
    await promoted.clients.replace(msgspec.structs.replace(client, is_enabled=False), events=())
    await promoted.clients.create(a_client("unknown"), events=())
    for number in range(changes):
        await promoted.apis.create(an_api(f"https://kept{number}.test"), events=())
    registry._store = promoted
    return registry, promoted


@pytest.mark.parametrize("changes", [0, 1, 2, 3, 9])
async def test_a_registry_that_went_back_in_time_is_read_anew(changes: int) -> None:
    """With fewer changes than were read, as many, or more by now: a number that was read says nothing."""
    registry, promoted = await after_a_failover(changes)
    assert await registry.refresh() is True
    found = await registry.client("web")
    assert found is not None and not found.is_enabled
    assert await registry.client("three") is None
    assert await registry.client("unknown") is not None
    assert registry.snapshot == await promoted.registry.snapshot()
    assert await registry.refresh() is False


async def test_what_happens_after_it_went_back_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, promoted = await after_a_failover()
    await registry.refresh()
    assert await registry.client("unknown") is not None
    await promoted.clients.delete(ClientId("unknown"), events=())
    assert await registry.refresh() is True
    assert await registry.client("unknown") is None


async def test_a_slow_refresh_after_it_went_back_does_not_undo_a_faster_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, promoted = await after_a_failover()
    whole_snapshot = promoted.registry.snapshot

    async def slow() -> RegistrySnapshot:
        old = await whole_snapshot()
        monkeypatch.setattr(promoted.registry, "snapshot", whole_snapshot)
        await promoted.apis.create(an_api("https://newer.test"), events=())
        await registry.refresh()
        return old

    monkeypatch.setattr(promoted.registry, "snapshot", slow)
    await registry.refresh()
    assert registry.snapshot == await whole_snapshot()


async def test_what_was_read_before_it_went_back_and_arrives_afterwards_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both histories may have the same number: which snapshot was current is asked, not which epoch."""
    registry, promoted = await after_a_failover(changes=2)
    get = promoted.clients.get
    overtaken: list[bool] = []

    async def slow(client_id: ClientId) -> Client | None:
        if overtaken:
            return await get(client_id)
        overtaken.append(True)
        assert registry.snapshot.epoch == (await promoted.registry.snapshot()).epoch
        await registry.refresh()
        return a_client("late")

    monkeypatch.setattr(promoted.clients, "get", slow)
    assert await registry.client("late") is not None
    assert await registry.client("late") is None
