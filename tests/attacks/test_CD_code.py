"""Attacks on the authorization code: replay, theft, delay, forgery, and changes while it is being redeemed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from innkeeper.jose import base64url
from innkeeper.server import app
from innkeeper.server.app import SystemEntropy
from innkeeper.server.flows.fresh import new_handle
from tests.attacks.oracles import is_json_error, keeps_secrets, no_row, rows, still_works
from tests.attacks.token_requests import (
    FOR_API,
    FOR_USERINFO,
    only_code,
    redeem,
    tables,
    tokens,
    userinfo,
)
from tests.visitor import Visitor
from tests.world import START, VERIFIER, World, a_world, code_form

pytestmark = pytest.mark.anyio
BOTH_KINDS = pytest.mark.parametrize("kind", [FOR_USERINFO, FOR_API], ids=["opaque", "jwt"])


@pytest.fixture
async def world() -> World:
    return await a_world()


@pytest.fixture
async def world_on_disk(tmp_path: Path) -> AsyncIterator[World]:
    store = await app.open_store(tmp_path / "innkeeper.sqlite", role="serving")
    yield await a_world(store)
    await store.close()


# ------------------------------------------------------------ CD-01: twice


@BOTH_KINDS
async def test_CD_01_a_second_redemption_kills_what_the_first_produced(
    world: World, kind: dict[str, Any]
) -> None:
    code = await Visitor(world).code(**kind)
    token = (await redeem(world, code)).json()["access_token"]
    assert (await userinfo(world, token)).status_code == 200
    before = rows(world)
    is_json_error(await redeem(world, code), 400, "invalid_grant")
    is_json_error(await userinfo(world, token), 401, "invalid_token")
    assert _changed(before, rows(world)) == {"grants"}
    assert "code.replayed" in world.heard.types()
    assert tables(world).audit[-1].type == "code.replayed"
    keeps_secrets(world, code, token)
    await still_works(world)


@BOTH_KINDS
async def test_CD_01_a_replay_after_the_codes_time_is_still_a_replay(
    world: World, kind: dict[str, Any]
) -> None:
    code = await Visitor(world).code(**kind)
    token = (await redeem(world, code)).json()["access_token"]
    world.clock.advance(seconds=300)
    is_json_error(await redeem(world, code), 400, "invalid_grant")
    assert (await userinfo(world, token)).status_code == 401


async def test_CD_01_the_third_time_changes_nothing_more(world: World) -> None:
    code = await Visitor(world).code()
    await redeem(world, code)
    await redeem(world, code)
    audited = len(tables(world).audit)
    with no_row(world):
        is_json_error(await redeem(world, code), 400, "invalid_grant")
    assert len(tables(world).audit) == audited


async def test_CD_01_another_grant_of_the_same_person_and_app_lives_on(world: World) -> None:
    other = (await tokens(world))["access_token"]
    code = await Visitor(world).code()
    await redeem(world, code)
    await redeem(world, code)
    assert (await userinfo(world, other)).status_code == 200


# ------------------------------------------------------------ CD-02: late


@pytest.mark.parametrize("late_s", [60, 61, 86_400])
async def test_CD_02_a_code_that_is_too_old_is_refused_and_changes_nothing(world: World, late_s: int) -> None:
    code = await Visitor(world).code()
    world.clock.advance(seconds=late_s)
    with no_row(world):
        is_json_error(await redeem(world, code), 400, "invalid_grant")


async def test_CD_02_a_code_works_until_its_last_second(world: World) -> None:
    code = await Visitor(world).code()
    world.clock.advance(seconds=59)
    assert (await redeem(world, code)).status_code == 200


async def test_CD_02_a_wrong_presentation_of_an_expired_code_changes_nothing(world: World) -> None:
    code = await Visitor(world).code()
    world.clock.advance(seconds=61)
    with no_row(world):
        is_json_error(await redeem(world, code, code_verifier="w" * 64), 400, "invalid_grant")
    assert "code.burnt" not in world.heard.types()


# ------------------------------------------------------------ the table of refusals (architecture: token endpoint)


@pytest.mark.parametrize("client_id", ["other", "plain", "es256", "paycheck"])
async def test_CD_07_another_apps_code_is_refused_and_stays_good_for_its_owner(
    world: World, client_id: str
) -> None:
    code = await Visitor(world).code()
    with no_row(world):
        is_json_error(await redeem(world, code, client_id), 400, "invalid_grant")
        stolen = code_form(code, client_id="spa")
        is_json_error(await world.http().post("/oauth/token", data=stolen), 400, "invalid_grant")
    assert (await redeem(world, code)).status_code == 200


async def test_CD_07_a_failed_authentication_leaves_the_code_alone(world: World) -> None:
    code = await Visitor(world).code()
    with no_row(world):
        is_json_error(await redeem(world, code, secret="wrong"), 401, "invalid_client")
        anonymous = await world.http().post("/oauth/token", data=code_form(code, client_id="web"))
        is_json_error(anonymous, 401, "invalid_client")
    assert (await redeem(world, code)).status_code == 200


WRONG: dict[str, dict[str, Any]] = {
    "another verifier": {"code_verifier": "w" * 64},
    "no verifier": {"code_verifier": None},
    "an empty verifier": {"code_verifier": ""},
    "a verifier too short": {"code_verifier": VERIFIER[:42]},
    "another callback": {"redirect_uri": "https://web.example.test/cb/"},
    "no callback": {"redirect_uri": None},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_CD_07_a_wrong_presentation_by_the_right_app_burns_the_code_and_revokes_nothing(
    world: World, wrong: dict[str, Any]
) -> None:
    code = await Visitor(world).code()
    before = rows(world)
    is_json_error(await redeem(world, code, **wrong), 400, "invalid_grant")
    assert _changed(before, rows(world)) == {"codes"}
    assert only_code(world).burnt_by is not None and only_code(world).redeemed_by is None
    assert world.heard.types().count("code.burnt") == 1
    is_json_error(await redeem(world, code), 400, "invalid_grant")
    assert not tables(world).access_tokens


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_CD_07_a_wrong_presentation_of_a_redeemed_code_is_an_event_and_nothing_more(
    world: World, wrong: dict[str, Any]
) -> None:
    code = await Visitor(world).code()
    token = (await redeem(world, code)).json()["access_token"]
    with no_row(world):
        is_json_error(await redeem(world, code, **wrong), 400, "invalid_grant")
    assert (await userinfo(world, token)).status_code == 200
    assert world.heard.types()[-1] == "token.refused"
    assert "code.burnt" not in world.heard.types()


async def test_CD_07_a_stranger_with_a_redeemed_code_revokes_nothing(world: World) -> None:
    code = await Visitor(world).code()
    token = (await redeem(world, code)).json()["access_token"]
    with no_row(world):
        is_json_error(await redeem(world, code, "other"), 400, "invalid_grant")
        is_json_error(await redeem(world, code, secret="wrong"), 401, "invalid_client")
    assert (await userinfo(world, token)).status_code == 200


def _changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


# ------------------------------------------------------------ CD-04, CD-05: not our code, or not a code


async def test_CD_04_a_code_of_another_deployment_is_refused(world: World) -> None:
    code = await Visitor(await a_world(issuer="https://id2.example.test")).code()
    with no_row(world):
        is_json_error(await redeem(world, code), 400, "invalid_grant")


FORGED: dict[str, Callable[[str], str]] = {
    "shorter by one": lambda code: code[:-1],
    "longer by one": lambda code: code + "A",
    "padded": lambda code: code + "=",
    "case flipped": lambda code: code.swapcase(),
    "prefix of a token": lambda code: "ik_at_" + code[6:],
    "prefix of a session": lambda code: "ik_se_" + code[6:],
    "without prefix": lambda code: code[6:],
    "prefix twice": lambda code: "ik_ac_" + code,
    "prefix only": lambda code: "ik_ac_",
    "spare bits set": lambda code: code[:-1] + chr(ord(code[-1]) + 1),
    "space before": lambda code: " " + code,
    "a wildcard": lambda code: "%",
    "a quote": lambda code: "' OR 1=1 --",
    "a code that never was": lambda code: "ik_ac_" + "A" * 54,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_CD_05_what_is_not_exactly_the_code_is_refused(
    world: World, forge: Callable[[str], str]
) -> None:
    code = await Visitor(world).code()
    with no_row(world):
        is_json_error(await redeem(world, forge(code)), 400, "invalid_grant")
    assert (await redeem(world, code)).status_code == 200


async def test_CD_05_other_handles_are_no_codes(world: World) -> None:
    visitor = Visitor(world)
    code = await visitor.code()
    answered = (await redeem(world, code)).json()
    others = [answered["access_token"], answered["id_token"], *visitor.http.cookies.values()]
    with no_row(world):
        for other in others:
            is_json_error(await redeem(world, other), 400, "invalid_grant")


async def test_CD_05_every_flipped_bit_of_a_code_is_another_code(world: World) -> None:
    code = await Visitor(world).code()
    with no_row(world):
        for index in range(len(code)):
            flipped = code[:index] + chr(ord(code[index]) ^ 1) + code[index + 1 :]
            is_json_error(await redeem(world, flipped), 400, "invalid_grant")
    assert (await redeem(world, code)).status_code == 200


# ------------------------------------------------------------ CD-07: at the same time


@pytest.mark.parametrize("seed", range(6))
async def test_CD_07_of_parallel_redemptions_only_the_right_one_may_win(
    world_on_disk: World, seed: int
) -> None:
    code = await Visitor(world_on_disk).code()
    requests: list[tuple[str, dict[str, Any]]] = [
        ("web", {}),
        ("web", {}),
        ("other", {}),
        ("es256", {"redirect_uri": None}),
        ("plain", {"code_verifier": None}),
    ]
    random.Random(seed).shuffle(requests)
    answers = await asyncio.gather(*(redeem(world_on_disk, code, who, **how) for who, how in requests))
    winners = [who for (who, _), answer in zip(requests, answers, strict=True) if answer.status_code == 200]
    assert winners == ["web"]
    losers = [answer for answer in answers if answer.status_code != 200]
    for loser in losers:
        is_json_error(loser, 400, "invalid_grant")
    [winner] = [answer for answer in answers if answer.status_code == 200]
    # Two valid presentations are a replay, whoever of them was the thief.
    assert (await userinfo(world_on_disk, winner.json()["access_token"])).status_code == 401


@pytest.mark.parametrize("seed", range(4))
async def test_CD_07_guessing_verifiers_in_parallel_wins_nothing(world_on_disk: World, seed: int) -> None:
    code = await Visitor(world_on_disk).code()
    guesses = [VERIFIER, *(f"{number:064}" for number in range(7))]
    random.Random(seed).shuffle(guesses)
    answers = await asyncio.gather(*(redeem(world_on_disk, code, code_verifier=guess) for guess in guesses))
    winners = [guess for guess, answer in zip(guesses, answers, strict=True) if answer.status_code == 200]
    assert winners in ([], [VERIFIER])


# ------------------------------------------------------------ CD-11: entropy


def test_CD_11_a_hundred_thousand_codes_are_random_and_never_twice() -> None:
    entropy = SystemEntropy()
    minted = [new_handle(entropy, "ik_ac_", START) for _ in range(100_000)]
    texts = [text for text, _ in minted]
    assert len(set(texts)) == len(texts)
    assert len({key for _, key in minted}) == len(minted)
    random_parts = [base64url.decode(text[6:])[8:] for text in texts]
    assert len(set(random_parts)) == len(texts)
    assert all(len(part) == 32 for part in random_parts)
    # Each of the 256 bits is set about half of the time: 7 standard deviations of 100,000 throws.
    counts = [0] * 256
    for part in random_parts[:20_000]:
        number = int.from_bytes(part, "big")
        for bit in range(256):
            counts[bit] += number >> bit & 1
    assert all(abs(count - 10_000) < 7 * 71 for count in counts)


async def test_CD_11_a_code_is_not_stored_in_clear(world: World) -> None:
    code = await Visitor(world).code()
    [key] = tables(world).codes
    assert key.find(code.encode()) < 0 and code not in repr(only_code(world))
