"""Signing keys are made, published, used and dropped through one transition."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

from innkeeper.server.config import Lifetimes
from innkeeper.server.flows import rotate_keys
from innkeeper.server.flows.keys import KeyRing
from innkeeper.server.flows.rotate_keys import LEEWAY, ensure_keys, rotate_now
from innkeeper.server.flows.seals import Seals
from innkeeper.server.model.api import Api
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.master_secret import MasterKey, MasterSecret
from innkeeper.server.model.secret import Secret
from innkeeper.server.protocol import key_schedule
from innkeeper.server.storage.memory.store import MemoryStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SEALS = Seals(MasterSecret(ring=(MasterKey(key_id=0, value=Secret(b"m" * 32)),)), "", os.urandom)
LIFETIMES = Lifetimes()


class Clock:
    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant

    def check(self) -> None:
        """It is never in doubt."""


@pytest.fixture(autouse=True)
def only_quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """RSA keys take a tenth of a second each; one test below makes them."""
    monkeypatch.setattr(rotate_keys, "SIGNING_ALGORITHMS", ("ES256",))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_the_first_start_makes_a_key_that_signs_and_the_next_for_every_algorithm(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    begun = await ensure_keys(store, SEALS, NOON, LIFETIMES)
    keys = await store.signing_keys.list()
    assert sorted(event.alg for event in begun) == ["ES256", "RS256"]
    assert sorted(key.alg for key in keys) == ["ES256", "ES256", "RS256", "RS256"]
    assert all(key.published_at == NOON for key in keys)
    ring = KeyRing(SEALS)
    ring.take(await store.registry.snapshot())
    assert {event.kid for event in begun} == {ring.signer(alg, "JWT", NOON).kid for alg in ("ES256", "RS256")}


async def test_a_second_start_changes_nothing(store: MemoryStore) -> None:
    await ensure_keys(store, SEALS, NOON, LIFETIMES)
    keys = await store.signing_keys.list()
    assert await ensure_keys(store, SEALS, NOON + timedelta(days=1), LIFETIMES) == ()
    assert await store.signing_keys.list() == keys


async def test_starts_at_the_same_moment_agree_on_one_set(store: MemoryStore) -> None:
    await asyncio.gather(*(ensure_keys(store, SEALS, NOON, LIFETIMES) for _ in range(5)))
    assert len(await store.signing_keys.list()) == 2


async def test_rotating_lets_the_published_key_sign_and_keeps_the_old_for_verifying(
    store: MemoryStore,
) -> None:
    await ensure_keys(store, SEALS, NOON, LIFETIMES)
    clock = Clock()
    clock.instant = NOON + timedelta(days=3)
    before = {key.kid: key for key in await store.signing_keys.list()}
    [kid] = await rotate_now(store, SEALS, clock, alg="ES256", lifetimes=LIFETIMES)
    after = {key.kid: key for key in await store.signing_keys.list()}
    assert before[kid].activates_at > clock.instant
    assert after[kid].activates_at == clock.instant
    assert len(after) == 3
    [old] = [key for key in after.values() if key.retires_at is not None]
    assert old.retires_at == clock.instant
    assert key_schedule.is_published(old, clock.instant + timedelta(hours=1))


async def test_the_old_key_stays_as_long_as_the_longest_token_lives(store: MemoryStore) -> None:
    api = Api(identifier=ApiIdentifier("https://a"), name="A", access_token_lifetime=timedelta(days=30))
    await store.apis.create(api, events=())
    await ensure_keys(store, SEALS, NOON, LIFETIMES)
    await rotate_now(store, SEALS, Clock(), alg=None, lifetimes=LIFETIMES)
    [old] = [key for key in await store.signing_keys.list() if key.retires_at is not None]
    assert old.expires_at == NOON + timedelta(days=30) + LEEWAY


async def test_by_the_clock_the_old_key_is_retired_then_dropped(store: MemoryStore) -> None:
    [first] = await ensure_keys(store, SEALS, NOON, LIFETIMES)
    turn = NOON + timedelta(seconds=LIFETIMES.signing_key_s, minutes=1)
    [second] = await ensure_keys(store, SEALS, turn, LIFETIMES)
    assert second.kid != first.kid
    assert first.kid in {key.kid for key in await store.signing_keys.list()}
    assert await ensure_keys(store, SEALS, turn + timedelta(days=2), LIFETIMES) == ()
    assert first.kid not in {key.kid for key in await store.signing_keys.list()}


async def test_in_an_emergency_nothing_of_the_old_keys_is_left(store: MemoryStore) -> None:
    await ensure_keys(store, SEALS, NOON, LIFETIMES)
    before = {key.kid for key in await store.signing_keys.list()}
    await rotate_now(store, SEALS, Clock(), alg="ES256", lifetimes=LIFETIMES, emergency=True)
    after = {key.kid for key in await store.signing_keys.list()}
    assert len(after) == 2
    assert not before & after
