"""Giving tokens back: only one's own, at once, and never half (RFC 7009)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.attacks.oracles import is_json_error, is_sound, keeps_secrets, no_row
from tests.attacks.token_requests import userinfo
from tests.refreshing import (
    a_refresh_token,
    a_refreshing_world,
    is_refused,
    refresh,
    refreshed,
    revoke,
    signed_in,
)
from tests.visitor import Visitor
from tests.world import SPA_ORIGIN, TIMESHEETS, World, basic

pytestmark = pytest.mark.anyio
WITHOUT_API: dict[str, Any] = {"audience": None, "scope": "openid offline_access"}


@pytest.fixture
async def world() -> World:
    return await a_refreshing_world()


@pytest.mark.parametrize("ask", [{}, WITHOUT_API], ids=["JWT", "opaque"])
async def test_IN_05_another_apps_tokens_stay_alive(world: World, ask: dict[str, Any]) -> None:
    tokens = await signed_in(world, **ask)
    with no_row(world):
        for kind in ("access_token", "refresh_token", "id_token"):
            answer = await revoke(world, tokens[kind], "other")
            assert (answer.status_code, answer.content) == (200, b"")
    assert (await userinfo(world, tokens["access_token"])).status_code == 200
    await refreshed(world, tokens["refresh_token"])


@pytest.mark.parametrize("token", ["", "x", "ik_rt_", "ik_at_x", "ik_rt_" + "A" * 104, "a.b.c", "ik_ac_x"])
async def test_IN_05_what_nobody_knows_is_answered_alike(world: World, token: str) -> None:
    with no_row(world):
        answer = await revoke(world, token)
        is_sound(answer)
        assert answer.status_code == (200 if token else 400)
        assert answer.headers["cache-control"] == "no-store"


async def test_IN_05_nothing_is_given_back_without_authentication(world: World) -> None:
    token = await a_refresh_token(world)
    with no_row(world):
        for form, headers, error in (
            ({"token": token}, {}, "invalid_client"),
            ({"token": token, "client_id": "web"}, {}, "invalid_client"),
            ({"token": token}, basic("web", "wrong"), "invalid_client"),
        ):
            answer = await world.http().post("/oauth/revoke", data=form, headers=headers)
            is_json_error(answer, 401, error)
    await refreshed(world, token)


@pytest.mark.parametrize("ask", [{}, WITHOUT_API], ids=["JWT", "opaque"])
async def test_IN_07_a_refresh_token_takes_all_access_tokens_along(world: World, ask: dict[str, Any]) -> None:
    first = await signed_in(world, **ask)
    second = await refreshed(world, first["refresh_token"])
    assert (await revoke(world, second["refresh_token"])).status_code == 200
    for tokens in (first, second):
        assert (await userinfo(world, tokens["access_token"])).status_code == 401
        is_refused(await refresh(world, tokens["refresh_token"]))
    keeps_secrets(world, first["refresh_token"], second["refresh_token"])


@pytest.mark.parametrize("ask", [{}, WITHOUT_API], ids=["JWT", "opaque"])
async def test_IN_07_an_access_token_goes_alone(world: World, ask: dict[str, Any]) -> None:
    first = await signed_in(world, **ask)
    second = await refreshed(world, first["refresh_token"])
    assert (await revoke(world, first["access_token"])).status_code == 200
    assert (await userinfo(world, first["access_token"])).status_code == 401
    assert (await userinfo(world, second["access_token"])).status_code == 200
    await refreshed(world, second["refresh_token"])


async def test_IN_07_what_was_allowed_stays_allowed(world: World) -> None:
    ask: dict[str, Any] = {
        "client_id": "paycheck", "audience": TIMESHEETS, "scope": "openid read:timesheets offline_access"
    }  # fmt: skip
    visitor = Visitor(world)
    await visitor.code("erin", **ask)
    token = await a_refresh_token(world, "paycheck", scope=ask["scope"])
    assert (await revoke(world, token, "paycheck")).status_code == 200
    await visitor.authorize(**ask)
    assert "code" in visitor.answer()


async def test_IN_07_an_older_member_of_the_family_ends_it_too(world: World) -> None:
    first = await a_refresh_token(world)
    second = (await refreshed(world, first))["refresh_token"]
    assert (await revoke(world, first)).status_code == 200
    is_refused(await refresh(world, second))


async def test_IN_07_a_machines_token_can_be_given_back(world: World) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    token = (await world.http().post("/oauth/token", data=form, headers=basic("cron"))).json()["access_token"]
    assert (await revoke(world, token, "cron")).status_code == 200
    assert world.heard.types()[-1] == "access_token.denied"


async def test_IN_08_a_store_that_is_away_is_never_a_success(world: World) -> None:
    token = await a_refresh_token(world)
    store: Any = world.services.store
    store.is_away = True
    answer = await revoke(world, token)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    store.is_away = False
    await refreshed(world, token)


async def test_IN_10_after_a_revocation_nothing_that_a_racing_refresh_made_lives(world: World) -> None:
    for _ in range(20):
        token = await a_refresh_token(world)
        ended, *renewed = await asyncio.gather(
            revoke(world, token), *(refresh(world, token) for _ in range(4))
        )
        assert ended.status_code == 200
        for answer in renewed:
            if answer.status_code == 200:
                tokens = answer.json()
                assert (await userinfo(world, tokens["access_token"])).status_code == 401
                is_refused(await refresh(world, tokens["refresh_token"]))


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_IN_11_a_wrong_hint_hides_nothing(world: World, hint: str, kind: str) -> None:
    tokens = await signed_in(world, **WITHOUT_API)
    assert (await revoke(world, tokens[kind], token_type_hint=hint)).status_code == 200
    assert (await userinfo(world, tokens["access_token"])).status_code == 401


async def test_a_repeated_token_is_refused(world: World) -> None:
    token = await a_refresh_token(world)
    body = f"token={token}&token=x"
    headers = basic("web") | {"content-type": "application/x-www-form-urlencoded"}
    with no_row(world):
        answer = await world.http().post("/oauth/revoke", content=body.encode(), headers=headers)
        is_json_error(answer, 400, "invalid_request")


async def test_a_browser_app_gives_its_token_back_from_its_own_origin(world: World) -> None:
    token = await a_refresh_token(world, "spa")
    preflight = await world.http().options("/oauth/revoke", headers={"origin": SPA_ORIGIN})
    assert preflight.headers["access-control-allow-origin"] == SPA_ORIGIN
    form = {"token": token, "client_id": "spa"}
    answer = await world.http().post("/oauth/revoke", data=form, headers={"origin": SPA_ORIGIN})
    assert answer.headers["access-control-allow-origin"] == SPA_ORIGIN
    is_refused(await refresh(world, token, "spa"))
    foreign = await world.http().post("/oauth/revoke", data=form, headers={"origin": "https://evil.test"})
    assert "access-control-allow-origin" not in foreign.headers


async def test_by_get_nothing_is_revoked(world: World) -> None:
    assert (await world.http().get("/oauth/revoke")).status_code == 405
