"""An app that is told 503 although its rotation happened, or happens later, is no thief when it comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from innkeeper.server.flows import doubts as memory
from innkeeper.server.flows.doubts import Doubts
from innkeeper.server.jobs.runner import JOBS
from innkeeper.server.jobs.settle_doubts import settle_doubts
from innkeeper.server.model.events import Event, RefreshUntold
from innkeeper.server.model.identifiers import Attempt, HandleKey
from innkeeper.server.storage.interface import RefreshFamilies
from innkeeper.server.storage.outcomes import Done, InDoubt, Missing, StoreUnavailable
from tests.refreshing import (
    a_refresh_token,
    a_refreshing_world,
    families,
    is_refused,
    may_refresh,
    refresh,
    refreshed,
)
from tests.world import START, World

pytestmark = pytest.mark.anyio


class Doubtful:
    """The families of a store whose answers get lost, as often as it is told so."""

    def __init__(self, real: RefreshFamilies) -> None:
        self._real = real
        self.happens: str | None = None
        """What becomes of the next rotation that nobody hears of: it happens at once, `late`, or `never`."""
        self.late: list[Callable[[], Any]] = []
        self.is_away = False
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def rotate(self, *args: Any, **values: Any) -> Any:
        happens, self.happens = self.happens, None
        if happens is None:
            return await self._real.rotate(*args, **values)
        if happens == "at once":
            await self._real.rotate(*args, **values)
        if happens == "late":
            self.late.append(lambda: self._real.rotate(*args, **values))
        raise InDoubt("lost")

    async def untold(self, *args: Any, **values: Any) -> Done | Missing:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return await self._real.untold(*args, **values)


@pytest.fixture
async def world() -> World:
    return await a_refreshing_world()


@pytest.fixture
def store(world: World) -> Doubtful:
    store = world.services.store
    doubtful = Doubtful(store.refresh_families)
    store.refresh_families = doubtful
    return doubtful


async def is_away(world: World, token: str) -> None:
    answer = await refresh(world, token)
    assert answer.status_code == 503 and answer.json()["error"] == "temporarily_unavailable"
    assert "retry-after" in answer.headers


def told(world: World) -> list[str]:
    return [event.type for event in world.heard.events if event.type.startswith("refresh.")]


@pytest.mark.parametrize("overlap_s", [10, 0])
async def test_the_app_that_was_told_503_gets_its_answer_however_late_it_comes(
    world: World, store: Doubtful, overlap_s: int
) -> None:
    await may_refresh(world, "web", overlap=timedelta(seconds=overlap_s))
    token = await a_refresh_token(world)
    store.happens = "at once"
    await is_away(world, token)
    world.clock.advance(hours=1)
    successor = (await refreshed(world, token))["refresh_token"]
    assert told(world) == ["refresh.untold", "refresh.overlapped"]
    # The overlap has begun with this answer, and it ends.
    world.clock.advance(seconds=overlap_s)
    is_refused(await refresh(world, token))
    is_refused(await refresh(world, successor))


async def test_the_job_settles_it_for_the_other_nodes(world: World, store: Doubtful) -> None:
    token = await a_refresh_token(world)
    store.happens = "at once"
    await is_away(world, token)
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await settle_doubts(world.services)
    store.is_away = False
    await settle_doubts(world.services)
    assert told(world) == ["refresh.untold"] and len(world.services.doubts) == 0
    [family] = families(world)
    assert family.untold_generation == 1
    world.clock.advance(hours=1)
    await refreshed(world, token)
    assert store.asked == 2, "nothing is in doubt any more"


async def test_the_job_runs_on_every_node() -> None:
    [job] = [job for job in JOBS if job.name == "settle_doubts"]
    assert not job.on_one_node and job.interval_s <= 1


async def test_a_family_in_doubt_is_not_judged_before_it_is_settled(world: World, store: Doubtful) -> None:
    token = await a_refresh_token(world)
    store.happens = "at once"
    await is_away(world, token)
    world.clock.advance(hours=1)
    store.is_away = True
    await is_away(world, token)
    [family] = families(world)
    assert family.overlaps == 0
    store.is_away = False
    await refreshed(world, token)


async def test_a_rotation_that_never_happened_leaves_the_token_as_it_was(
    world: World, store: Doubtful, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await a_refresh_token(world)
    store.happens = "never"
    await is_away(world, token)
    world.clock.advance(hours=1)
    successor = (await refreshed(world, token))["refresh_token"]
    await refreshed(world, successor)
    assert "refresh.untold" not in told(world)
    is_refused(await refresh(world, token))


async def test_a_rotation_that_happens_after_it_was_asked_about_is_asked_about_once_more(
    world: World, store: Doubtful
) -> None:
    time_s = [100.0]
    object.__setattr__(world.services, "doubts", Doubts(lambda: time_s[0]))
    token = await a_refresh_token(world)
    store.happens = "late"
    await is_away(world, token)
    await settle_doubts(world.services)
    await settle_doubts(world.services)
    assert store.asked == 1 and len(world.services.doubts) == 1
    [late] = store.late
    await late()
    time_s[0] += memory.OUTLIVED_S + 1
    await settle_doubts(world.services)
    assert store.asked == 2 and len(world.services.doubts) == 0
    world.clock.advance(hours=1)
    await refreshed(world, token)


async def test_what_did_not_happen_is_forgotten_when_it_no_longer_can(world: World, store: Doubtful) -> None:
    time_s = [100.0]
    object.__setattr__(world.services, "doubts", Doubts(lambda: time_s[0]))
    token = await a_refresh_token(world)
    store.happens = "never"
    await is_away(world, token)
    await settle_doubts(world.services)
    assert len(world.services.doubts) == 1
    time_s[0] += memory.OUTLIVED_S + 1
    await settle_doubts(world.services)
    assert len(world.services.doubts) == 0
    await settle_doubts(world.services)
    assert store.asked == 2


async def test_a_thief_is_convicted_all_the_same(world: World, store: Doubtful) -> None:
    """Older than the one that the 503 was about: it was used, and its app was told."""
    stolen = await a_refresh_token(world)
    token = (await refreshed(world, stolen))["refresh_token"]
    store.happens = "at once"
    await is_away(world, token)
    await settle_doubts(world.services)
    is_refused(await refresh(world, stolen))
    is_refused(await refresh(world, token))
    assert "refresh.reused" in told(world)


async def test_of_several_in_doubt_the_one_that_happened_counts(world: World, store: Doubtful) -> None:
    token = await a_refresh_token(world)
    for happens in ("never", "at once", "never"):
        store.happens = happens
        await is_away(world, token)
    world.clock.advance(hours=1)
    await refreshed(world, token)
    assert told(world).count("refresh.untold") == 1


# ------------------------------------------------------------ the memory itself


def a_doubt(number: int) -> tuple[HandleKey, Attempt, RefreshUntold]:
    name = number.to_bytes(16, "big")
    return HandleKey(name), Attempt(name), RefreshUntold(at=START)


class Answering:
    """A store that says the same to everybody, or is away for some."""

    def __init__(self) -> None:
        self.refresh_families = self
        self.away_for: set[bytes] = set()
        self.asked: list[bytes] = []

    async def untold(self, key: HandleKey, *, attempt: Attempt, events: Any) -> Done:
        self.asked.append(key)
        await asyncio.sleep(0)
        if key in self.away_for:
            raise StoreUnavailable("away")
        return Done()


def test_the_memory_is_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST", 100)
    doubts = Doubts()
    for number in range(150):
        doubts.remember(*a_doubt(number))
    assert len(doubts) == 100
    assert a_doubt(49)[0] not in doubts and a_doubt(50)[0] in doubts


async def test_one_family_that_is_held_keeps_the_others_waiting_only_once() -> None:
    doubts, store = Doubts(), Answering()
    seen: list[Event] = []
    for number in range(20):
        doubts.remember(*a_doubt(number))
    store.away_for = {a_doubt(0)[0]}
    with pytest.raises(StoreUnavailable):
        await doubts.settle_all(store, seen.append)  # type: ignore[arg-type]
    assert len(store.asked) < 20, "a store that is away is not asked about all of them"
    with pytest.raises(StoreUnavailable):
        await doubts.settle_all(store, seen.append)  # type: ignore[arg-type]
    assert len(doubts) == 1 and len(seen) == 19
    store.away_for = set()
    await doubts.settle_all(store, seen.append)  # type: ignore[arg-type]
    assert len(doubts) == 0 and len(seen) == 20


async def test_the_request_and_the_job_tell_it_once() -> None:
    doubts, store = Doubts(), Answering()
    seen: list[Event] = []
    key, attempt, event = a_doubt(1)
    doubts.remember(key, attempt, event)
    await asyncio.gather(
        doubts.settle(key, store, seen.append),  # type: ignore[arg-type]
        doubts.settle_all(store, seen.append),  # type: ignore[arg-type]
    )
    assert seen == [event] and key not in doubts
