"""Attacks from pages of other origins, and what caches may keep: HT-07, HT-08."""

from __future__ import annotations

import pytest

from innkeeper.server.web import cors
from tests.world import SPA_ORIGIN, World, a_world, authorize_parameters, basic


@pytest.fixture
async def world() -> World:
    return await a_world()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        SPA_ORIGIN + ".evil.example",
        SPA_ORIGIN.replace("https", "http"),
        SPA_ORIGIN + ":8443",
        "https://evil" + SPA_ORIGIN.removeprefix("https://"),
        SPA_ORIGIN.upper(),
        "*",
    ],
)
async def test_HT_07_a_foreign_origin_may_not_read_the_token_endpoint(world: World, origin: str) -> None:
    http = world.http()
    form = {"grant_type": "client_credentials"}
    asked = {"origin": origin, "access-control-request-method": "POST"}
    answers = [
        await http.post("/oauth/token", data=form, headers={"origin": origin} | basic("cron")),
        await http.post("/oauth/token", data=form | {"client_id": "spa"}, headers={"origin": origin}),
        await http.get("/userinfo", headers={"origin": origin}),
        await http.options("/oauth/token", headers=asked),
        await http.options("/userinfo", headers=asked),
    ]
    for answer in answers:
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/authorize", "/sign-in", "/consent", "/setup", "/"])
async def test_HT_07_pages_are_open_to_no_origin(world: World, path: str) -> None:
    asked = {"origin": SPA_ORIGIN, "access-control-request-method": "POST"}
    for answer in (
        await world.http().options(path, headers=asked),
        await world.http().get(path, headers={"origin": SPA_ORIGIN}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_HT_07_a_registered_origin_may_read_and_never_with_credentials(world: World) -> None:
    http = world.http()
    form = {"grant_type": "authorization_code", "client_id": "spa", "code": "x", "redirect_uri": "y"}
    for answer in (
        await http.post("/oauth/token", data=form, headers={"origin": SPA_ORIGIN}),
        await http.options(
            "/oauth/token", headers={"origin": SPA_ORIGIN, "access-control-request-method": "POST"}
        ),
    ):
        assert answer.headers["access-control-allow-origin"] == SPA_ORIGIN
        assert "access-control-allow-credentials" not in answer.headers


async def test_HT_08_answers_that_depend_on_the_origin_say_so_and_are_not_stored(world: World) -> None:
    http = world.http()
    for origin in (SPA_ORIGIN, "https://evil.example"):
        form = {"grant_type": "authorization_code", "client_id": "spa", "code": "x", "redirect_uri": "y"}
        answer = await http.post("/oauth/token", data=form, headers={"origin": origin})
        assert "origin" in answer.headers["vary"].lower()
        assert answer.headers["cache-control"] == "no-store"


def test_HT_08_the_pure_rule_says_vary_for_every_origin_and_none() -> None:
    for origin, allowed in ((SPA_ORIGIN, True), (SPA_ORIGIN, False), ("null", True), (None, False)):
        assert (b"vary", b"Origin") in cors.for_origin(origin, allowed=allowed)


async def test_HT_08_an_answer_that_sets_a_cookie_is_not_stored(world: World) -> None:
    answer = await world.http().get("/authorize", params=authorize_parameters())
    assert answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"
