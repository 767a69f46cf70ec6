"""Waiting devices in the contract: records with good defaults, and the laws of RFC 8628 as functions of a world."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from innkeeper.server.model.device_authorization import DeviceAuthorization
from innkeeper.server.model.events import DeviceApproved, DeviceDenied, DeviceRedeemed
from innkeeper.server.model.grant import Grant
from innkeeper.server.model.throttle import AttemptLimit
from innkeeper.server.storage.outcomes import (
    Answered,
    Blocked,
    Conflict,
    DeviceAndGrant,
    Done,
    Expired,
    Gone,
    Redeemed,
    Stale,
    TooSoon,
    Waiting,
)
from tests.contract.store.builders import NOW, TIMESHEETS, AnyStore, World, a_handle, a_token, an_attempt
from tests.contract.store.families import a_family

LIFETIME = timedelta(seconds=900)
PHONE, LAPTOP = b"p" * 32, b"l" * 32
SECOND = timedelta(seconds=1)


def a_device(**values: Any) -> DeviceAuthorization:
    expires_at = values.get("expires_at", NOW + LIFETIME)
    defaults: dict[str, Any] = {
        "key": a_handle("ik_dc_", expires_at)[1],
        "user_code_mac": os.urandom(33),
        "client_id": "app",
        "api": TIMESHEETS,
        "scope": ("openid", "read:timesheets"),
        "created_at": NOW,
        "expires_at": expires_at,
        "next_poll_at": NOW,
    }
    return DeviceAuthorization(**(defaults | values))


async def start(world: World, device: DeviceAuthorization, **values: Any) -> Any:
    defaults: dict[str, Any] = {"limits": (), "attempt": an_attempt(), "now": NOW, "events": ()}
    return await world.store.device_codes.start(device, **(defaults | values))


async def started(world: World, **values: Any) -> DeviceAuthorization:
    device = a_device(**values)
    assert await start(world, device) == Done()
    return device


async def claimed(world: World, **values: Any) -> DeviceAuthorization:
    device = await started(world, **values)
    assert await world.store.device_codes.claim(device.key, browser=PHONE, now=NOW) == Done()
    return device


async def approve(
    world: World, device: DeviceAuthorization, grant: Grant, *, store: AnyStore | None = None, **values: Any
) -> Any:
    event = DeviceApproved(at=NOW, grant_id=grant.grant_id)
    defaults: dict[str, Any] = {"browser": PHONE, "attempt": an_attempt(), "now": NOW, "events": (event,)}
    return await (store or world.store).device_codes.approve(device.key, grant, **(defaults | values))


async def approved(world: World, **values: Any) -> tuple[DeviceAuthorization, Grant]:
    device = await claimed(world, **values)
    _, grant = world.authorization()
    assert await approve(world, device, grant) == Done()
    return device, grant


async def deny(
    world: World, device: DeviceAuthorization, *, store: AnyStore | None = None, **values: Any
) -> Any:
    defaults: dict[str, Any] = {
        "browser": PHONE, "attempt": an_attempt(), "now": NOW, "events": (DeviceDenied(at=NOW),)
    }  # fmt: skip
    return await (store or world.store).device_codes.deny(device.key, **(defaults | values))


async def poll(
    world: World,
    device: DeviceAuthorization,
    *,
    now: datetime = NOW,
    store: AnyStore | None = None,
    **values: Any,
) -> Any:
    attempt = values.get("attempt") or an_attempt()
    return await (store or world.store).device_codes.poll(device.key, attempt=attempt, now=now)


async def redeem(
    world: World, device: DeviceAuthorization, *, store: AnyStore | None = None, **values: Any
) -> Any:
    defaults: dict[str, Any] = {
        "attempt": an_attempt(),
        "now": NOW,
        "epochs": world.epochs,
        "access_token": None,
        "family": None,
        "events": (DeviceRedeemed(at=NOW),),
    }
    return await (store or world.store).device_codes.redeem(device.key, **(defaults | values))


async def row(world: World, device: DeviceAuthorization) -> DeviceAuthorization:
    found = await world.store.device_codes.read(device.key)
    assert found is not None
    return found.device if isinstance(found, DeviceAndGrant) else found


# ------------------------------------------------------------ laws


async def a_code_is_redeemed_once(world: World) -> None:
    device, grant = await approved(world)
    token, family = a_token(grant), a_family(grant)
    assert await redeem(world, device, access_token=token, family=family) == Redeemed()
    assert await redeem(world, device) == Gone()
    assert not await world.is_revoked(grant.grant_id)
    assert await world.store.access_tokens.opaque_standing(token.key) is not None
    assert await world.store.refresh_families.read(family.key) is not None
    assert await world.audit("device.redeemed") == 1


async def an_early_poll_lengthens_the_interval_for_good(world: World) -> None:
    device = await started(world)
    assert await poll(world, device) == Waiting()
    assert await poll(world, device, now=NOW + SECOND) == TooSoon(interval_s=10)
    assert await poll(world, device, now=NOW + 7 * SECOND) == TooSoon(interval_s=15)
    assert await poll(world, device, now=NOW + 22 * SECOND) == Waiting()
    assert await poll(world, device, now=NOW + 36 * SECOND) == TooSoon(interval_s=20)
    assert (await row(world, device)).interval_s == 20


async def an_expiry_is_told_once(world: World) -> None:
    device = await started(world)
    assert await poll(world, device, now=device.expires_at) == Expired()
    assert await poll(world, device, now=device.expires_at) == Gone()
    late, _ = await approved(world)
    assert await redeem(world, late, now=late.expires_at) == Gone()
    assert await poll(world, late, now=late.expires_at) == Expired()
    assert await poll(world, late, now=late.expires_at) == Gone()


async def only_the_browser_that_claimed_it_answers(world: World) -> None:
    device = await claimed(world)
    _, grant = world.authorization()
    codes = world.store.device_codes
    assert await codes.claim(device.key, browser=LAPTOP, now=NOW) == Gone()
    assert await approve(world, device, grant, browser=LAPTOP) == Gone()
    assert await deny(world, device, browser=LAPTOP) == Gone()
    assert await codes.find(device.user_code_mac, browser=LAPTOP, limits=(), now=NOW) == Gone()
    assert await codes.find(device.user_code_mac, browser=None, limits=(), now=NOW) == Gone()
    assert await world.store.grants.standing(grant.grant_id) is None
    assert await codes.find(device.user_code_mac, browser=PHONE, limits=(), now=NOW) == await row(
        world, device
    )
    assert await approve(world, device, grant) == Done()


async def nobody_approves_what_nobody_claimed(world: World) -> None:
    device = await started(world)
    _, grant = world.authorization()
    assert await approve(world, device, grant) == Gone()
    assert await world.store.grants.standing(grant.grant_id) is None


async def an_answer_is_final(world: World) -> None:
    device, grant = await approved(world)
    assert await deny(world, device) == Gone()
    _, second = world.authorization()
    assert await approve(world, device, second) == Gone()
    assert await world.store.grants.standing(second.grant_id) is None
    assert (await row(world, device)).grant_id == grant.grant_id
    refused = await claimed(world)
    assert await deny(world, refused) == Done()
    assert await approve(world, refused, second) == Gone()
    assert (await row(world, refused)).state == "denied"
    for answered in (device, refused):
        find = world.store.device_codes.find
        assert await find(answered.user_code_mac, browser=PHONE, limits=(), now=NOW) == Gone()
        assert await poll(world, answered) == Answered()


async def moved_facts_make_an_answer_stale(world: World) -> None:
    device = await claimed(world)
    for changed in ("client_revision", "client_epoch", "user_epoch", "consent_epoch"):
        _, grant = world.authorization(epochs=replace(world.epochs, **{changed: 7}))
        assert await approve(world, device, grant) == Stale(), changed
        assert await world.store.grants.standing(grant.grant_id) is None
    assert (await row(world, device)).state == "pending"
    _, grant = world.authorization()
    assert await approve(world, device, grant) == Done()
    for changed in ("client_revision", "client_epoch", "user_epoch", "consent_epoch"):
        assert await redeem(world, device, epochs=replace(world.epochs, **{changed: 7})) == Stale(), changed
    assert await redeem(world, device) == Redeemed()


async def a_revoked_grant_gives_a_device_nothing(world: World) -> None:
    device, grant = await approved(world)
    assert await world.store.grants.revoke(grant.grant_id, now=NOW, events=()) == Done()
    assert await redeem(world, device) == Gone()


async def an_expired_code_is_nobodys(world: World) -> None:
    device = await claimed(world)
    _, grant = world.authorization()
    late = device.expires_at
    codes = world.store.device_codes
    assert await codes.find(device.user_code_mac, browser=PHONE, limits=(), now=late) == Gone()
    assert await codes.claim(device.key, browser=PHONE, now=late) == Gone()
    assert await approve(world, device, grant, now=late) == Gone()
    assert await deny(world, device, now=late) == Gone()


async def two_devices_never_show_the_same_code(world: World) -> None:
    device = await started(world)
    second = a_device(user_code_mac=device.user_code_mac)
    assert await start(world, second) == Conflict(what="user code")
    assert await world.store.device_codes.read(second.key) is None


async def only_wrong_codes_count(world: World) -> None:
    device = await started(world)
    limit = AttemptLimit(key=b"address", attempts=2, window=LIFETIME)
    find = world.store.device_codes.find
    for _ in range(5):
        assert await find(device.user_code_mac, browser=None, limits=[limit], now=NOW) == device
    for _ in range(2):
        assert await find(b"wrong", browser=None, limits=[limit], now=NOW) == Gone()
    # Also the right one now: otherwise a guesser would learn that it was right.
    assert await find(device.user_code_mac, browser=None, limits=[limit], now=NOW) == Blocked(
        until=NOW + LIFETIME
    )
    assert await find(device.user_code_mac, browser=None, limits=[limit], now=NOW + LIFETIME / 2) != device
    assert await world.store.device_codes.claim(device.key, browser=PHONE, now=NOW) == Done()


async def starts_are_counted(world: World) -> None:
    limit = AttemptLimit(key=b"starts", attempts=2, window=LIFETIME)
    for _ in range(2):
        assert await start(world, a_device(), limits=[limit]) == Done()
    device = a_device()
    assert await start(world, device, limits=[limit]) == Blocked(until=NOW + LIFETIME)
    assert await world.store.device_codes.read(device.key) is None


LAWS = (
    a_code_is_redeemed_once,
    an_early_poll_lengthens_the_interval_for_good,
    an_expiry_is_told_once,
    only_the_browser_that_claimed_it_answers,
    nobody_approves_what_nobody_claimed,
    an_answer_is_final,
    moved_facts_make_an_answer_stale,
    a_revoked_grant_gives_a_device_nothing,
    an_expired_code_is_nobodys,
    two_devices_never_show_the_same_code,
    only_wrong_codes_count,
    starts_are_counted,
)
