"""Apps that take passwords: who may, how often, and what their answers tell."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from innkeeper.server.config import SignInLimits
from tests.attacks.oracles import is_json_error, keeps_secrets, no_row, rows
from tests.attacks.test_BF_guessing import SPELLINGS, guess
from tests.attacks.token_requests import tables, userinfo
from tests.passwords import (
    CONTRACTORS,
    OTHER_PASSWORD,
    PLAIN,
    REALM,
    a_password_world,
    add,
    ask,
)
from tests.world import PASSWORD, World, a_user, basic

pytestmark = pytest.mark.anyio
SMALL = SignInLimits().attempts_per_address_and_account
LARGE = SignInLimits().attempts_per_account
BOTH = pytest.mark.parametrize("by", [{}, {"realm": "default"}], ids=["password", "realm"])


@pytest.fixture
async def world() -> World:
    return await a_password_world()


# ------------------------------------------------------------ CA-16: who may take passwords


@BOTH
@pytest.mark.parametrize("client_id", ["web", "paycheck", "cron", "spa"])
async def test_CA_16_an_app_without_the_grant(world: World, client_id: str, by: dict[str, Any]) -> None:
    with no_row(world):
        is_json_error(await ask(world, client_id=client_id, **by), 400, "unauthorized_client")
    assert not world.passwords.verified


@BOTH
async def test_CA_16_a_third_party_app_has_the_grant_in_vain(world: World, by: dict[str, Any]) -> None:
    with no_row(world):
        is_json_error(await ask(world, client_id="foreign", **by), 400, "unauthorized_client")
    assert not world.passwords.verified


@BOTH
async def test_CA_16_an_app_without_a_secret_needs_a_second_word(world: World, by: dict[str, Any]) -> None:
    with no_row(world):
        is_json_error(await ask(world, client_id="shop", **by), 400, "unauthorized_client")
    assert not world.passwords.verified
    assert (await ask(world, client_id="till", **by)).status_code == 200


@BOTH
async def test_CA_16_switched_off_it_is_unknown_to_every_app(by: dict[str, Any]) -> None:
    world = await a_password_world(is_on=False)
    with no_row(world):
        is_json_error(await ask(world, **by), 400, "unsupported_grant_type")
    assert not world.passwords.verified


@BOTH
async def test_CA_16_a_wrong_secret_of_the_app_comes_first(world: World, by: dict[str, Any]) -> None:
    wrong = basic("terminal", "ik_cs_wrong")
    with no_row(world):
        is_json_error(await ask(world, headers=wrong, **by), 401, "invalid_client")
    assert not world.passwords.verified


# ------------------------------------------------------------ CA-16: whose password it is


@pytest.mark.parametrize("field", ["username", "password", "realm"])
async def test_CA_16_what_is_missing_is_named_and_costs_no_guess(world: World, field: str) -> None:
    fields: dict[str, Any] = {"grant_type": REALM, "realm": "default", field: None}
    if field in ("username", "password"):
        answer = await ask(world, **fields)
    else:
        answer = await ask(world, grant_type=REALM, realm=None)
    with no_row(world):
        assert field in is_json_error(answer, 400, "invalid_request")["error_description"]
    assert not world.passwords.verified and not tables(world).throttles


@pytest.mark.parametrize("realm", ["nobody", "Contractors", "contractors ", "contractors\x1f", "default/"])
async def test_CA_16_an_unknown_realm(world: World, realm: str) -> None:
    with no_row(world):
        is_json_error(await ask(world, "carl", OTHER_PASSWORD, realm=realm), 400, "invalid_request")
    assert not world.passwords.verified


async def test_CA_16_a_password_of_one_directory_opens_nothing_in_another(world: World) -> None:
    with no_row(world):
        is_json_error(await ask(world, "carl", OTHER_PASSWORD), 400, "invalid_grant")
        is_json_error(await ask(world, "carl", OTHER_PASSWORD, realm="default"), 400, "invalid_grant")
        is_json_error(await ask(world, "carl", PASSWORD, realm=CONTRACTORS), 400, "invalid_grant")
        is_json_error(await ask(world, "erin", PASSWORD, realm=CONTRACTORS), 400, "invalid_grant")


@pytest.mark.parametrize("typed", ["contractors\x1fcarl", "contractors:carl", "contractors/carl"])
async def test_CA_16_nobody_types_their_way_into_another_directory(world: World, typed: str) -> None:
    answer = await ask(world, typed, OTHER_PASSWORD)
    assert answer.status_code == 400 and "access_token" not in answer.text
    assert (await guess(world, typed, OTHER_PASSWORD)).status_code == 400


GUESSES = {
    "wrong password": ("erin", "wrong"),
    "unknown": ("zoey", "wrong"),
    "unknown, a right password": ("zoey", PASSWORD),
    "disabled": ("carol", "wrong"),
    "no name at all": ("zo ey", PASSWORD),
    "without a password of their own": ("social", PASSWORD),
}


@BOTH
async def test_CA_16_unknown_wrong_and_without_password_cannot_be_told_apart(by: dict[str, Any]) -> None:
    seen: dict[str, tuple[Any, ...]] = {}
    for name, (username, password) in GUESSES.items():
        world = await a_password_world()
        await add(world, a_user("social"), None)
        counters = world.services.store.counters  # type: ignore[attr-defined]
        await ask(world, "zed", "wrong", address="198.51.100.1", **by)  # the app is in the cache
        work = counters.reads, counters.transitions, len(world.passwords.verified)
        answer = await ask(world, username, password, **by)
        is_json_error(answer, 400, "invalid_grant")
        now = counters.reads, counters.transitions, len(world.passwords.verified)
        spent = tuple(after - before for after, before in zip(now, work, strict=True))
        seen[name] = (answer.status_code, answer.content, sorted(answer.headers.items()), spent)
    for name, shape in seen.items():
        assert shape == seen["wrong password"], name


@BOTH
async def test_CA_16_a_disabled_person_hears_it_only_with_the_right_password(
    world: World, by: dict[str, Any]
) -> None:
    with no_throttled_rows(world):
        answer = is_json_error(await ask(world, "carol", PASSWORD, **by), 400, "invalid_grant")
        assert "disabled" in answer["error_description"]
        answer = is_json_error(await ask(world, "carol", "wrong", **by), 400, "invalid_grant")
        assert "disabled" not in answer["error_description"]


class no_throttled_rows:  # noqa: N801
    """As `no_row`, but for the counters."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        self._before = self._others()

    def __exit__(self, *_: object) -> None:
        assert self._others() == self._before

    def _others(self) -> dict[str, Any]:
        return {name: value for name, value in rows(self._world).items() if name != "throttles"}


# ------------------------------------------------------------ CA-16, BF: how often


async def test_CA_16_BF_01_a_flood_of_wrong_passwords_is_looked_at_as_often_as_on_the_page(
    world: World,
) -> None:
    answers = [await ask(world, "erin", f"wrong {number}") for number in range(101)]
    assert [answer.status_code for answer in answers] == [400] * 101
    assert len(world.passwords.verified) == SMALL
    assert all(answer.json()["error"] == "invalid_grant" for answer in answers)
    said = [answer.json()["error_description"] for answer in answers]
    assert len(set(said[:SMALL])) == 1 and "Try again in 900 seconds" in said[-1]
    # Not even the right one: otherwise a blocked guesser would learn it.
    is_json_error(await ask(world, "erin", PASSWORD), 400, "invalid_grant")
    world.clock.advance(seconds=900)
    assert (await ask(world, "erin", PASSWORD)).status_code == 200


async def test_CA_16_BF_01_parallel_guesses_do_not_slip_past(world: World) -> None:
    await asyncio.gather(*(ask(world, "erin", f"wrong {number}") for number in range(40)))
    assert len(world.passwords.verified) == SMALL


async def test_CA_16_BF_02_many_addresses_share_the_budget_of_one_account(world: World) -> None:
    for number in range(LARGE + 10):
        await ask(world, "erin", "wrong", address=f"198.51.100.{number}", client_id="till")
    assert len(world.passwords.verified) == LARGE


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_BF_05_the_page_and_both_grants_share_one_counter(world: World, spelling: str) -> None:
    for number in range(SMALL):
        match number % 3:
            case 0:
                await guess(world, spelling)
            case 1:
                await ask(world, spelling, "wrong")
            case _:
                await ask(world, spelling, "wrong", client_id="till", realm="default")
    assert len(world.passwords.verified) == SMALL
    assert (await guess(world, "erin", PASSWORD)).status_code == 429
    is_json_error(await ask(world, "erin", PASSWORD), 400, "invalid_grant")
    is_json_error(await ask(world, "erin", PASSWORD, realm="default"), 400, "invalid_grant")
    assert len(world.passwords.verified) == SMALL


async def test_BF_05_people_of_one_name_in_two_directories_have_a_counter_each(world: World) -> None:
    for _ in range(SMALL):
        await ask(world, "carl", "wrong")
    is_json_error(await ask(world, "carl", PASSWORD), 400, "invalid_grant")
    assert (await ask(world, "carl", OTHER_PASSWORD, realm=CONTRACTORS)).status_code == 200


async def test_BF_10_a_blocked_name_tells_no_more(world: World) -> None:
    answers = []
    for username in ("erin", "zoey"):
        for _ in range(SMALL):
            await ask(world, username, "wrong")
        answers.append((await ask(world, username, PASSWORD)).content)
    assert answers[0] == answers[1]


# ------------------------------------------------------------ BF-07: whose address counts


def forwarded(address: str) -> dict[str, str]:
    return {"auth0-forwarded-for": address}


async def test_BF_07_of_a_trusted_app_the_persons_address_counts(world: World) -> None:
    for number in range(SMALL + 1):
        named = forwarded("198.51.100.5")
        answer = await ask(world, "erin", f"wrong {number}", client_id="relay", headers=named)
        is_json_error(answer, 400, "invalid_grant")
    assert len(world.passwords.verified) == SMALL
    blocked = await ask(world, "erin", PASSWORD, client_id="relay", headers=forwarded("198.51.100.5"))
    is_json_error(blocked, 400, "invalid_grant")
    # Neither the app's own address nor another person's is blocked.
    assert (await ask(world, "erin", client_id="relay")).status_code == 200
    elsewhere = forwarded("198.51.100.6")
    assert (await ask(world, "erin", client_id="relay", headers=elsewhere)).status_code == 200
    told = {event.ip for event in world.heard.events if event.type.startswith("sign_in.")}
    assert told == {"198.51.100.5"}


@pytest.mark.parametrize("client_id", ["terminal", "till"])
async def test_BF_07_no_other_app_is_believed(world: World, client_id: str) -> None:
    for number in range(SMALL):
        named = forwarded(f"198.51.100.{number}")
        await ask(world, "erin", "wrong", client_id=client_id, headers=named)
    is_json_error(
        await ask(world, "erin", client_id=client_id, headers=forwarded("198.51.100.99")),
        400,
        "invalid_grant",
    )
    assert len(world.passwords.verified) == SMALL


async def test_BF_07_an_app_without_a_secret_is_never_believed(world: World) -> None:
    await world.change("till", trusts_forwarded_for=True)
    for number in range(SMALL + 1):
        await ask(world, "erin", "wrong", client_id="till", headers=forwarded(f"198.51.100.{number}"))
    assert len(world.passwords.verified) == SMALL


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip"])
async def test_BF_07_a_trusted_app_is_believed_in_one_header_only(world: World, header: str) -> None:
    for number in range(SMALL + 1):
        named = {header: f"198.51.100.{number}"}
        await ask(world, "erin", "wrong", client_id="relay", headers=named)
    assert len(world.passwords.verified) == SMALL


@pytest.mark.parametrize("value", ["", "nobody", "198.51.100.5, 198.51.100.6", "198.51.100.5:80", "1" * 5000])
async def test_BF_07_what_is_no_address_is_refused(world: World, value: str) -> None:
    with no_row(world):
        answer = await ask(world, client_id="relay", headers=forwarded(value))
        is_json_error(answer, 400, "invalid_request")
    assert not world.passwords.verified


async def test_BF_07_an_address_that_comes_twice_is_refused(world: World) -> None:
    form = {"grant_type": PLAIN, "username": "erin", "password": PASSWORD}
    twice = [*basic("relay").items(), *forwarded("198.51.100.5").items(), *forwarded("198.51.100.6").items()]
    answer: httpx2.Response = await world.http().post("/oauth/token", data=form, headers=twice)
    is_json_error(answer, 400, "invalid_request")


async def test_BF_07_a_household_in_forwarded_addresses_is_one(world: World) -> None:
    for number in range(SMALL + 1):
        named = forwarded(f"2001:db8:1:2::{number + 1:x}")
        await ask(world, "erin", "wrong", client_id="relay", headers=named)
    assert len(world.passwords.verified) == SMALL


# ------------------------------------------------------------ LK-01: passwords leave no trace


@BOTH
async def test_LK_01_a_password_is_in_no_event_no_answer_and_no_row(world: World, by: dict[str, Any]) -> None:
    canary = "canary-of-a-password"
    await add(world, a_user("vera"), canary)
    answers = [
        await ask(world, "vera", canary, **by),
        await ask(world, "vera", canary, scope="openid \x01", **by),
        await ask(world, "vera", canary, audience="https://nobody.test", **by),
        await ask(world, "zoey", canary, **by),
        await ask(world, "vera", canary, client_id="foreign", **by),
        await ask(world, canary, "wrong", **by),
        await ask(world, "vera", canary, realm=canary),
    ]
    for _ in range(SMALL + 1):
        answers.append(await ask(world, "mona", canary, **by))
    assert answers[0].status_code == 200
    assert all(canary not in answer.text and canary not in str(answer.headers) for answer in answers)
    keeps_secrets(world, canary)


async def test_LK_01_a_password_in_the_address_is_not_read(world: World) -> None:
    query = {"grant_type": PLAIN, "username": "erin", "password": PASSWORD}
    answer = await world.http().post("/oauth/token", params=query, headers=basic("terminal"))
    is_json_error(answer, 400, "invalid_request")
    assert not world.passwords.verified


# ------------------------------------------------------------ what ends it


@pytest.mark.parametrize("ending", ["person", "app", "consent", "password"])
async def test_CA_16_what_a_password_gave_ends_with_what_it_stands_on(world: World, ending: str) -> None:
    answer = (await ask(world, scope="openid offline_access")).json()
    store = world.services.store
    match ending:
        case "person":
            await world.change_user("erin", is_enabled=False)
        case "app":
            await store.clients.delete("terminal", events=())  # type: ignore[arg-type]
        case "consent":
            await store.consents.revoke("ik|erin", "terminal", events=())  # type: ignore[arg-type]
        case _:
            await world.change_user("erin", epoch=2)
    assert (await userinfo(world, answer["access_token"])).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    refused = await world.http().post("/oauth/token", data=form, headers=basic("terminal"))
    assert refused.status_code in (400, 401)
