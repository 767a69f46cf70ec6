"""The registry in memory: what it believes, and for how long."""

from __future__ import annotations

import msgspec
import pytest

from innkeeper.server.flows.registry import MAX_SILENCE_S, Registry
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.memory.store import MemoryStore
from innkeeper.server.storage.outcomes import StoreUnavailable
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
