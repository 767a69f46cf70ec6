"""Failed client authentications are counted per address, in memory, at every endpoint that asks who is calling."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from innkeeper.server.flows.failed_clients import MAX_ADDRESSES, MAX_FAILURES, FailedClients
from innkeeper.server.protocol import client_auth
from tests.assertions import OTHER_EC_KEY, assertion, by_assertion, let_sign
from tests.attacks.client_endpoints import ENDPOINTS, FORMS, is_known
from tests.attacks.oracles import is_json_error, no_row
from tests.world import START, World, a_world, basic

pytestmark = pytest.mark.anyio
EVERYWHERE = pytest.mark.parametrize("path", ENDPOINTS)
THERE = "203.0.113.9"


@pytest.fixture
async def world() -> World:
    return await a_world()


async def ask(
    world: World, path: str, headers: dict[str, str], address: str = THERE, **form: str
) -> httpx2.Response:
    return await world.http(address=address).post(path, data=FORMS[path] | form, headers=headers)


async def fail(world: World, path: str, times: int = MAX_FAILURES, address: str = THERE) -> None:
    for number in range(times):
        # By other names and other ways each time: what is counted is the address.
        wrong = basic("cron", "wrong") if number % 2 else basic(f"nobody-{number}")
        is_json_error(await ask(world, path, wrong, address), 401, "invalid_client")


def is_too_many(answer: httpx2.Response, seconds: int = 60) -> None:
    told = is_json_error(answer, 429, "temporarily_unavailable")
    assert answer.headers["retry-after"] == str(seconds)
    assert str(seconds) in told["error_description"]


@EVERYWHERE
async def test_CA_05_after_sixty_failures_nothing_is_verified_for_that_address(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with no_row(world):
        await fail(world, path)
        verified: list[Any] = []
        monkeypatch.setattr(client_auth, "identify", lambda *given: verified.append(given))
        monkeypatch.setattr(client_auth, "verify", lambda *given, **more: verified.append(given))
        is_too_many(await ask(world, path, basic("cron", "wrong")))
        is_too_many(await ask(world, path, basic("cron")))
        assert verified == []


@EVERYWHERE
async def test_CA_05_no_app_is_locked_out_by_its_name(world: World, path: str) -> None:
    await fail(world, path)
    is_too_many(await ask(world, path, basic("cron")))
    assert is_known(await ask(world, path, basic("cron"), "203.0.113.10"))


@EVERYWHERE
async def test_CA_05_the_wait_ends_with_the_minute(world: World, path: str) -> None:
    await fail(world, path)
    world.clock.advance(seconds=59.5)
    is_too_many(await ask(world, path, basic("cron")), 1)
    world.clock.advance(seconds=0.5)
    assert is_known(await ask(world, path, basic("cron")))
    await fail(world, path)
    is_too_many(await ask(world, path, basic("cron")))


@EVERYWHERE
async def test_CA_05_successes_neither_count_nor_take_anything_back(world: World, path: str) -> None:
    for _ in range(MAX_FAILURES + 5):
        assert is_known(await ask(world, path, basic("cron")))
    await fail(world, path, MAX_FAILURES - 1)
    assert is_known(await ask(world, path, basic("cron")))
    await fail(world, path, 1)
    is_too_many(await ask(world, path, basic("cron")))


@EVERYWHERE
async def test_CA_05_failures_at_all_endpoints_are_one_count(world: World, path: str) -> None:
    for number in range(MAX_FAILURES):
        await fail(world, ENDPOINTS[number % len(ENDPOINTS)], 1)
    is_too_many(await ask(world, path, basic("cron")))


@EVERYWHERE
async def test_CA_05_a_household_of_addresses_is_one(world: World, path: str) -> None:
    for number in range(MAX_FAILURES):
        await fail(world, path, 1, f"2001:db8:0:7::{number:x}")
    is_too_many(await ask(world, path, basic("cron"), "2001:db8:0:7:ffff::1"))
    assert is_known(await ask(world, path, basic("cron"), "2001:db8:0:8::1"))


@EVERYWHERE
async def test_CA_05_assertions_count_like_secrets(world: World, path: str) -> None:
    await let_sign(world, "cron")
    for _ in range(MAX_FAILURES):
        form = by_assertion(assertion("cron", sign=OTHER_EC_KEY))
        is_json_error(await ask(world, path, {}, **form), 401, "invalid_client")
    good = by_assertion(assertion("cron"))
    with no_row(world):
        is_too_many(await ask(world, path, {}, **good))
    # And what was not listened to is still unused.
    assert is_known(await ask(world, path, {}, "203.0.113.10", **good))


async def test_CA_05_other_mistakes_of_a_proven_app_do_not_count(world: World) -> None:
    for _ in range(MAX_FAILURES + 5):
        answer = await ask(world, "/oauth/token", basic("cron"), scope="openid")
        is_json_error(answer, 400, "invalid_scope")


def test_DO_01_the_table_has_an_end() -> None:
    failed = FailedClients()
    for number in range(MAX_ADDRESSES + 100):
        failed.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", START)
    assert len(failed._windows) == MAX_ADDRESSES
    last = f"10.0.{(MAX_ADDRESSES + 99) >> 8}.{(MAX_ADDRESSES + 99) & 255}"
    for _ in range(MAX_FAILURES):
        failed.count(last, START)
    assert failed.wait(last, START) is not None
    assert failed.wait("10.0.0.0", START) is None
