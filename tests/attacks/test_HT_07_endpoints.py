"""HT-07 on the whole road of a browser app: its own origin reads its answers, another app's origin does not."""

from __future__ import annotations

import httpx2
import pytest

from tests.attacks.oracles import redirected
from tests.visitor import Visitor
from tests.world import SPA_CALLBACK, SPA_ORIGIN, World, a_public_client, a_world, code_form

RIVAL_ORIGIN = "https://rival.example.test"


async def a_world_with_a_rival() -> World:
    callback = f"{RIVAL_ORIGIN}/cb"
    rival = a_public_client("rival", redirect_uris=(callback,), allowed_origins=(RIVAL_ORIGIN,))
    return await a_world(extra_clients=(rival,))


async def tokens(world: World, origin: str) -> httpx2.Response:
    visitor = Visitor(world)
    await visitor.authorize(client_id="spa", redirect_uri=SPA_CALLBACK)
    await visitor.sign_in()
    code = redirected(visitor.response, redirect_uri=SPA_CALLBACK)["code"]
    form = code_form(code, client_id="spa", redirect_uri=SPA_CALLBACK)
    return await world.http().post("/oauth/token", data=form, headers={"origin": origin})


def readers(answer: httpx2.Response) -> list[str]:
    assert "access-control-allow-credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()
    return answer.headers.get_list("access-control-allow-origin")


async def test_HT_07_an_apps_own_origin_reads_tokens_and_claims() -> None:
    world = await a_world_with_a_rival()
    answer = await tokens(world, SPA_ORIGIN)
    assert answer.status_code == 200 and readers(answer) == [SPA_ORIGIN]
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}", "origin": SPA_ORIGIN}
    for claims in (
        await world.http().get("/userinfo", headers=bearer),
        await world.http().post("/userinfo", headers=bearer),
    ):
        assert claims.status_code == 200 and readers(claims) == [SPA_ORIGIN]


@pytest.mark.parametrize("origin", [RIVAL_ORIGIN, "https://evil.example", "null"])
async def test_HT_07_another_apps_origin_reads_neither(origin: str) -> None:
    world = await a_world_with_a_rival()
    assert readers(await tokens(world, origin)) == []
    token = (await tokens(world, SPA_ORIGIN)).json()["access_token"]
    bearer = {"authorization": f"Bearer {token}", "origin": origin}
    claims = await world.http().get("/userinfo", headers=bearer)
    assert readers(claims) == []
    assert claims.headers["cache-control"] == "no-store"
