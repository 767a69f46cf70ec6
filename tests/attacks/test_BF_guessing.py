"""Guessing passwords and names: how often one may, and what the answers tell."""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import Any

import httpx2
import pytest

from innkeeper.server.config import Listen, SignInLimits
from innkeeper.server.flows.password_pool import PasswordPool
from innkeeper.server.identity.factors import password as argon2
from innkeeper.server.web import cookies
from tests.attacks.oracles import is_sound, keeps_secrets, rows
from tests.attacks.timing import area_under_curve
from tests.attacks.token_requests import tables
from tests.visitor import Visitor
from tests.world import PASSWORD, World, a_world

pytestmark = pytest.mark.anyio
SMALL = SignInLimits().attempts_per_address_and_account
LARGE = SignInLimits().attempts_per_account
WINDOW_S = SignInLimits().window_s


@pytest.fixture
async def world() -> World:
    return await a_world()


async def guess(
    world: World, username: str, password: str = "wrong", *, address: str = "203.0.113.7", **headers: str
) -> httpx2.Response:
    """One attempt in a fresh browser."""
    visitor = Visitor(world, address=address)
    visitor.http.headers.update(headers)
    await visitor.authorize()
    await visitor.sign_in(username, password)
    is_sound(visitor.response)
    return visitor.response


# ------------------------------------------------------------ BF-01, BF-02: how often


async def test_BF_01_of_101_wrong_passwords_from_one_address_few_are_looked_at(world: World) -> None:
    answers = [await guess(world, "erin", f"wrong {number}") for number in range(101)]
    assert [answer.status_code for answer in answers] == [400] * SMALL + [429] * (101 - SMALL)
    assert len(world.passwords.verified) == SMALL
    assert all(0 < int(answer.headers["retry-after"]) <= WINDOW_S for answer in answers[SMALL:])
    assert world.heard.types().count("sign_in.blocked") == 101 - SMALL
    # Not even the right one: otherwise a blocked guesser would learn it.
    assert (await guess(world, "erin", PASSWORD)).status_code == 429
    assert len(world.passwords.verified) == SMALL


async def test_BF_01_when_the_window_is_over_the_right_password_works(world: World) -> None:
    for _ in range(SMALL + 1):
        await guess(world, "erin")
    world.clock.advance(seconds=WINDOW_S - 1)
    assert (await guess(world, "erin", PASSWORD)).status_code == 429
    world.clock.advance(seconds=1)
    assert (await guess(world, "erin", PASSWORD)).status_code == 303


async def test_BF_01_however_long_one_address_guesses_no_window_sees_a_hundred(world: World) -> None:
    looked_at: list[int] = []
    for minute in range(0, 90, 3):
        while (await guess(world, "erin")).status_code != 429:
            looked_at.append(minute)
        world.clock.advance(minutes=3)
    window = WINDOW_S // 60
    assert len(looked_at) == len(world.passwords.verified) == SMALL * 90 // window
    assert max(sum(start <= at < start + window for at in looked_at) for start in looked_at) <= LARGE


async def test_BF_01_parallel_guesses_do_not_slip_past(world: World) -> None:
    answers = await asyncio.gather(*(guess(world, "erin", f"wrong {number}") for number in range(60)))
    assert sum(answer.status_code == 400 for answer in answers) == SMALL == len(world.passwords.verified)


async def test_BF_01_a_success_forgets_the_failures_of_this_account_only(world: World) -> None:
    for _ in range(SMALL - 1):
        await guess(world, "erin")
        await guess(world, "mona")
    assert (await guess(world, "erin", PASSWORD)).status_code == 303
    assert (await guess(world, "erin")).status_code == 400
    assert (await guess(world, "mona")).status_code == 400
    assert (await guess(world, "mona")).status_code == 429


async def test_BF_02_many_addresses_share_the_budget_of_one_account(world: World) -> None:
    answers = [await guess(world, "erin", address=f"198.51.100.{number}") for number in range(LARGE + 10)]
    assert sum(answer.status_code == 400 for answer in answers) == LARGE == len(world.passwords.verified)
    assert (await guess(world, "mona", PASSWORD)).status_code == 303


async def test_BF_02_one_address_shares_a_budget_for_all_accounts() -> None:
    world = await a_world(sign_in=SignInLimits(attempts_per_address=15))
    for number in range(15):
        assert (await guess(world, f"person{number}")).status_code == 400
    assert (await guess(world, "erin", PASSWORD)).status_code == 429
    assert (await guess(world, "erin", PASSWORD, address="198.51.100.9")).status_code == 303


# ------------------------------------------------------------ BF-05: one account, many spellings


SPELLINGS = (
    "erin",
    "ERIN",
    "  erin ",
    "ｅｒｉｎ",
    "erin@example.test",
    "Erin@Example.TEST",
    "+12025550100",
    "+1 (202) 555-0100",
    "001 202 555 0100",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_BF_05_every_spelling_of_an_account_counts_on_one_counter(world: World, spelling: str) -> None:
    for _ in range(SMALL):
        await guess(world, spelling)
    assert [(await guess(world, other, PASSWORD)).status_code for other in SPELLINGS] == [429] * len(
        SPELLINGS
    )
    assert len(world.passwords.verified) == SMALL


async def test_BF_05_spellings_in_turn_buy_no_more_guesses(world: World) -> None:
    for number in range(3 * SMALL):
        await guess(world, SPELLINGS[number % len(SPELLINGS)])
    assert len(world.passwords.verified) == SMALL


@pytest.mark.parametrize("spelling", ["nobody", "NOBODY ", "ｎｏｂｏｄｙ"])
async def test_BF_05_a_name_of_nobody_is_counted_like_any_other(world: World, spelling: str) -> None:
    for _ in range(SMALL):
        assert (await guess(world, spelling)).status_code == 400
    assert (await guess(world, "nobody")).status_code == 429


@pytest.mark.parametrize("name", ["a\u200bb", "x" * 500, "\u202eerin", "a b"])
async def test_BF_05_what_can_be_nobodys_name_is_counted_too(world: World, name: str) -> None:
    for _ in range(SMALL):
        assert (await guess(world, name)).status_code == 400
    assert (await guess(world, name)).status_code == 429


# ------------------------------------------------------------ BF-07: another address in words only


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"],
)
async def test_BF_07_a_header_that_names_another_address_changes_nothing(world: World, header: str) -> None:
    for number in range(SMALL):
        named = f"198.51.100.{number}"
        await guess(world, "erin", **{header: f"for={named}" if header == "forwarded" else named})
    assert (await guess(world, "erin", PASSWORD)).status_code == 429
    assert len(world.passwords.verified) == SMALL


async def test_BF_07_behind_a_proxy_only_what_the_proxy_adds_is_believed() -> None:
    world = await a_world(listen=Listen(trusted_proxies=("203.0.113.7",)))
    for number in range(SMALL + 1):
        forwarded = {"x-forwarded-for": f"198.51.100.{number}, 192.0.2.1"}
        answer = await guess(world, "erin", **forwarded)
        assert answer.status_code == (400 if number < SMALL else 429)
    elsewhere = {"x-forwarded-for": "198.51.100.1, 192.0.2.2"}
    assert (await guess(world, "erin", PASSWORD, **elsewhere)).status_code == 303


async def test_BF_07_the_addresses_of_one_household_are_one(world: World) -> None:
    for number in range(SMALL):
        await guess(world, "erin", address=f"2001:db8:1:2:{number:x}::{number + 1:x}")
    assert (await guess(world, "erin", PASSWORD, address="2001:db8:1:2:ffff::1")).status_code == 429
    assert (await guess(world, "erin", PASSWORD, address="2001:db8:1:3::1")).status_code == 303


async def test_BF_07_one_address_in_two_notations_is_one(world: World) -> None:
    for _ in range(SMALL):
        await guess(world, "erin", address="203.0.113.7")
    assert (await guess(world, "erin", PASSWORD, address="::ffff:203.0.113.7")).status_code == 429


# ------------------------------------------------------------ BF-10: who exists


GUESSES = {
    "wrong password": ("erin", "wrong"),
    "unknown": ("zoey", "wrong"),
    "unknown, a right password": ("zoey", PASSWORD),
    "disabled": ("carol", "wrong"),
    "disabled, right password": ("carol", PASSWORD),
    "no name at all": ("zo ey", PASSWORD),
}


async def shape(world: World, username: str, password: str) -> tuple[Any, ...]:
    """Everything that can be seen, but for what is random or what was typed."""
    visitor = Visitor(world)
    await visitor.authorize(state="s", nonce="n")
    before, looked_at, counted = rows(world), len(world.passwords.verified), len(tables(world).throttles)
    reads, transitions = _counters(world)
    await visitor.sign_in(username, password)
    answer = visitor.response
    body = answer.text
    for field in ("interaction", "csrf"):
        value = dict(visitor.page.fields)[field]
        body = body.replace(value, f"{field} of {len(value)}")
    body = body.replace(f'value="{username}"', 'value="name"')
    assert rows(world) == before
    now = _counters(world)
    names = sorted(name for name in visitor.http.cookies)
    headers = sorted(
        (k, re.sub(r"\d+", "n", v) if k == "content-length" else v) for k, v in answer.headers.items()
    )
    work = len(world.passwords.verified) - looked_at, len(tables(world).throttles) - counted
    return answer.status_code, body, headers, names, work, now[0] - reads, now[1] - transitions


def _counters(world: World) -> tuple[int, int]:
    counters = world.services.store.counters  # type: ignore[attr-defined]
    return counters.reads, counters.transitions


async def test_BF_10_unknown_wrong_and_disabled_cannot_be_told_apart() -> None:
    shapes = {}
    for name, (username, password) in GUESSES.items():
        shapes[name] = await shape(await a_world(), username, password)
    assert shapes["unknown"][4] == (1, 3)
    for name, seen in shapes.items():
        for part, control in zip(seen, shapes["wrong password"], strict=True):
            assert part == control, name


async def test_BF_10_a_blocked_name_tells_no_more(world: World) -> None:
    answers = []
    for username in ("erin", "zoey"):
        for _ in range(SMALL):
            await guess(world, username)
        visitor = Visitor(world)
        await visitor.authorize(state="s", nonce="n")
        await visitor.sign_in(username, PASSWORD)
        body = visitor.response.text
        for _, value in visitor.page.fields:
            body = body.replace(f'"{value}"', '""')
        answers.append((visitor.response.status_code, body, visitor.response.headers["retry-after"]))
    assert answers[0] == answers[1]


async def test_BF_10_no_session_and_no_secret_comes_of_a_failure(world: World) -> None:
    answer = await guess(world, "erin", "a wrong secret of erin")
    session = cookies.session_cookie_name(world.services.settings)
    assert session not in answer.headers.get("set-cookie", "")
    keeps_secrets(world, "a wrong secret of erin")
    assert "a wrong secret of erin" not in answer.text


def test_BF_10_a_missing_hash_costs_what_a_real_one_costs() -> None:
    """The dummy has the same algorithm and cost, so that the pool's work is the same."""
    real = argon2.hash("some password of somebody")
    cost = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$")
    ours, dummy = cost.match(real), cost.match(argon2.DUMMY_HASH)
    assert ours is not None and dummy is not None and ours[0] == dummy[0]
    assert not argon2.needs_rehash(argon2.DUMMY_HASH)


@pytest.mark.faults("attacks")
async def test_BF_10_time_tells_nothing() -> None:
    """With the real Argon2, over interleaved pairs."""
    pool = PasswordPool(SignInLimits())
    pool.warm()
    known = await pool.hash(PASSWORD)
    measured: dict[str | None, list[float]] = {known: [], None: []}
    order = random.Random(10)
    try:
        for _ in range(1_500):  # three deviations are less than the bound
            for stored in order.sample((known, None), 2):
                began = time.perf_counter_ns()
                assert not await pool.verify(stored, "wrong")
                measured[stored].append(time.perf_counter_ns() - began)
    finally:
        pool.close()
    assert (
        abs(area_under_curve(measured[known], measured[None]) - 0.5) <= 0.03 + 0.04
    )  # 400 pairs: two deviations
