"""Waiting devices: the laws, twenty-way races, lost answers, histories and the purge, in every store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.memory import MemoryStore
from innkeeper.server.storage.outcomes import Done, Expired, Redeemed, TooSoon, Waiting
from innkeeper.server.storage.sqlite import devices as sqlite_devices
from innkeeper.server.storage.sqlite import open_store
from tests.contract.store import devices
from tests.contract.store.builders import HOUR, NOW, AnyStore, World, a_token, an_attempt
from tests.contract.store.devices import PHONE, a_device, approved, claimed, started
from tests.contract.store.rivals import Rivals

WIDTH = 20


@pytest.mark.parametrize("law", devices.LAWS, ids=lambda law: law.__name__)
async def test_every_store_obeys(law: Callable[[World], Awaitable[None]], world: World) -> None:
    await law(world)


# ------------------------------------------------------------ races


async def test_twenty_polls_of_an_approved_device_have_one_winner(rivals: Rivals) -> None:
    world = rivals.world
    device, grant = await approved(world)

    async def redeem(store: AnyStore, number: int) -> Any:
        return await devices.redeem(world, device, access_token=a_token(grant), store=store)

    assert await rivals.tally(redeem) == Counter(Redeemed=1, Gone=WIDTH - 1)
    assert not await world.is_revoked(grant.grant_id)
    assert await world.audit("device.redeemed") == 1


async def test_allowing_and_refusing_at_once_have_one_winner(rivals: Rivals) -> None:
    world = rivals.world
    device = await claimed(world)
    grants = [world.authorization()[1] for _ in range(WIDTH)]

    async def answer(store: AnyStore, number: int) -> Any:
        if number % 2:
            return await devices.deny(world, device, store=store)
        return await devices.approve(world, device, grants[number], store=store)

    assert await rivals.tally(answer) == Counter(Done=1, Gone=WIDTH - 1)
    inserted = [grant for grant in grants if await world.store.grants.standing(grant.grant_id) is not None]
    state = (await devices.row(world, device)).state
    assert (len(inserted), state) in {(1, "approved"), (0, "denied")}
    assert await world.audit("device.approved") + await world.audit("device.denied") == 1


async def test_twenty_browsers_claim_one_code_once(rivals: Rivals) -> None:
    device = await started(rivals.world)

    async def claim(store: AnyStore, number: int) -> Any:
        return await store.device_codes.claim(device.key, browser=bytes([number]) * 32, now=NOW)

    assert await rivals.tally(claim) == Counter(Done=1, Gone=WIDTH - 1)


async def test_twenty_polls_at_once_are_one_poll_in_time(rivals: Rivals) -> None:
    device = await started(rivals.world)

    async def poll(store: AnyStore, number: int) -> Any:
        return await devices.poll(rivals.world, device, store=store)

    assert await rivals.tally(poll) == Counter(Waiting=1, TooSoon=WIDTH - 1)
    assert (await devices.row(rivals.world, device)).interval_s == 5 + 5 * (WIDTH - 1)


async def test_twenty_polls_of_an_expired_device_are_told_once(rivals: Rivals) -> None:
    device = await started(rivals.world)

    async def poll(store: AnyStore, number: int) -> Any:
        return await devices.poll(rivals.world, device, now=device.expires_at, store=store)

    assert await rivals.tally(poll) == Counter(Expired=1, Gone=WIDTH - 1)


async def test_twenty_devices_that_drew_one_code_are_one_device(rivals: Rivals) -> None:
    mac = b"m" * 33

    async def start(store: AnyStore, number: int) -> Any:
        device = a_device(user_code_mac=mac)
        return await store.device_codes.start(device, limits=(), attempt=an_attempt(), now=NOW, events=())

    assert await rivals.tally(start) == Counter(Done=1, Conflict=WIDTH - 1)


# ------------------------------------------------------------ lost answers


async def test_a_start_whose_answer_was_lost_is_told_again(world: World) -> None:
    world.store.lose_next_answer()
    assert await devices.start(world, a_device()) == Done()


async def test_a_poll_whose_answer_was_lost_does_not_convict_itself(world: World) -> None:
    device = await started(world)
    world.store.lose_next_answer()
    assert await devices.poll(world, device) == Waiting()
    world.store.lose_next_answer()
    assert await devices.poll(world, device) == TooSoon(interval_s=10)
    world.store.lose_next_answer()
    assert await devices.poll(world, device, now=device.expires_at) == Expired()


async def test_answers_and_redemptions_whose_answer_was_lost_are_told_again(world: World) -> None:
    device = await claimed(world)
    _, grant = world.authorization()
    world.store.lose_next_answer()
    assert await devices.approve(world, device, grant) == Done()
    world.store.lose_next_answer()
    assert await devices.redeem(world, device) == Redeemed()
    refused = await started(world)
    world.store.lose_next_answer()
    assert await world.store.device_codes.claim(refused.key, browser=PHONE, now=NOW) == Done()
    world.store.lose_next_answer()
    assert await devices.deny(world, refused) == Done()
    for event in ("device.approved", "device.redeemed", "device.denied"):
        assert await world.audit(event) == 1


# ------------------------------------------------------------ broken stores

BROKEN: dict[str, tuple[str, str, str, Callable[[World], Awaitable[None]]]] = {
    "a redemption that asks nothing about the state": (
        "REDEEM", "d.state = 'approved'", "1", devices.a_code_is_redeemed_once,
    ),
    "a redemption without a clock": ("REDEEM", "AND d.expires_at > ?2", "", devices.an_expiry_is_told_once),
    "a redemption of a revoked grant": (
        "REDEEM", "AND g.revoked_at IS NULL", "", devices.a_revoked_grant_gives_a_device_nothing,
    ),
    "a redemption on old epochs": (
        "REDEEM", "AND u.epoch = ?6", "", devices.moved_facts_make_an_answer_stale,
    ),
    "an approval by any browser": (
        "MAY_APPROVE", "AND claimed_by = ?3", "", devices.only_the_browser_that_claimed_it_answers,
    ),
    "an approval of what was answered": (
        "MAY_APPROVE", "AND state = 'pending'", "", devices.an_answer_is_final,
    ),
    "an approval without a clock": (
        "MAY_APPROVE", "AND expires_at > ?2", "", devices.an_expired_code_is_nobodys,
    ),
    "a refusal by any browser": (
        "DENY", "AND (claimed_by IS NULL OR claimed_by = ?3)", "",
        devices.only_the_browser_that_claimed_it_answers,
    ),
    "a code that another has claimed is found": (
        "FIND", "AND (claimed_by IS NULL OR claimed_by = ?3)", "",
        devices.only_the_browser_that_claimed_it_answers,
    ),
    "a poll that forgets the longer interval": (
        "POLL", "interval_s = ?3, ", "", devices.an_early_poll_lengthens_the_interval_for_good,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_the_laws_notice(name: str, monkeypatch: pytest.MonkeyPatch, sqlite_world: World) -> None:
    statement, taken_out, instead, law = BROKEN[name]
    sql = getattr(sqlite_devices, statement)
    assert taken_out in sql
    monkeypatch.setattr(sqlite_devices, statement, sql.replace(taken_out, instead))
    with pytest.raises(Exception):  # noqa: B017 - an assertion, or what the database says to it
        await law(sqlite_world)


# ------------------------------------------------------------ histories and the purge


async def test_the_same_histories_have_the_same_outcomes(tmp_path: Path) -> None:
    told: set[str] = set()
    for seed in range(6):
        told |= await _history(seed, tmp_path / f"{seed}.sqlite")
    assert {"Done", "Gone", "Stale", "Waiting", "TooSoon", "Expired", "Answered", "Redeemed"} <= told
    assert {"Conflict", "DeviceAndGrant", "DeviceAuthorization"} <= told


async def _history(seed: int, database: Path) -> set[str]:
    random = Random(seed)
    told: set[str] = set()
    worlds = [await World(MemoryStore()).build(), await World(open_store(database)).build()]
    macs = [bytes([number]) * 33 for number in range(6)]
    attempts = [an_attempt() for _ in range(5)]
    pool: list[tuple[DeviceAuthorization, Grant]] = []
    for number in range(500):
        if number % 25 == 0:
            pool = [*pool[-3:], (a_device(user_code_mac=random.choice(macs)), worlds[0].authorization()[1])]
        device, grant = random.choice(pool)
        step = _a_step(random, device, grant, random.choice(attempts))
        outcome = await step(worlds[0])
        assert await step(worlds[1]) == outcome, (seed, number)
        told.add(type(outcome).__name__)
    audits = [len(await world.store.audit_rows()) for world in worlds]
    assert audits[0] == audits[1]
    await worlds[1].store.close()
    return told


def _a_step(
    random: Random, device: DeviceAuthorization, grant: Grant, attempt: Attempt
) -> Callable[[World], Awaitable[Any]]:
    now = NOW + timedelta(seconds=random.choice([0, 0, 0, 1, 1, 2, 6, 20, 20, 60, 60, 899, 900]))
    browser = random.choice([PHONE, devices.LAPTOP])
    epochs = replace(grant.epochs, user_epoch=random.choice([1, 1, 1, 9]))
    about: dict[str, Any] = {"attempt": attempt, "now": now}
    steps: list[Callable[[World], Awaitable[Any]]] = [
        lambda w: devices.start(w, device, **about),
        lambda w: w.store.device_codes.find(device.user_code_mac, browser=browser, limits=(), now=now),
        lambda w: w.store.device_codes.read(device.key),
        lambda w: w.store.device_codes.claim(device.key, browser=browser, now=now),
        lambda w: devices.approve(w, device, replace(grant, epochs=epochs), browser=browser, **about),
        lambda w: devices.deny(w, device, browser=browser, **about),
        *[lambda w: devices.poll(w, device, **about)] * 3,
        *[lambda w: devices.redeem(w, device, epochs=epochs, **about)] * 2,
    ]
    return random.choice(steps)


async def test_what_is_over_goes_with_its_grant_and_the_rest_stays(world: World) -> None:
    device, grant = await approved(world)
    kept = await started(world, expires_at=NOW + 9 * HOUR)
    later = NOW + 3 * HOUR + timedelta(minutes=1)
    assert await world.store.purge(now=later, limit=1000) == 2
    assert await world.store.device_codes.read(device.key) is None
    assert await world.store.grants.standing(grant.grant_id) is None
    assert await world.store.device_codes.read(kept.key) == kept
