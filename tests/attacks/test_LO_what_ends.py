"""LO-04 for every kind of token and every way to have come by it: what ends with the session, and what goes on."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.server.config import Lifetimes
from innkeeper.server.model.identifiers import GrantId
from tests import introspecting
from tests.attacks.leaving import is_signed_in, leave, session_of
from tests.attacks.token_requests import FOR_API, redeem, tables, userinfo
from tests.fronting import FRONT_CALLBACK, FRONT_CHANNEL, a_front_world, asked, claims_of, delivered
from tests.introspecting import a_guarded_world, set_api, told
from tests.refreshing import OFFLINE, refreshed
from tests.visitor import Visitor
from tests.world import World

pytestmark = pytest.mark.anyio


async def got(world: World, **ask: Any) -> tuple[Visitor, dict[str, Any]]:
    visitor = Visitor(world)
    answer = await redeem(world, await visitor.code(**ask))
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()
    return visitor, given


@pytest.mark.parametrize("form", introspecting.FORMS)
async def test_LO_04_an_api_that_asks_is_told_that_the_token_has_ended(form: str) -> None:
    world = await a_guarded_world()
    await set_api(world, **introspecting.FORMS[form])
    visitor, given = await got(world, **FOR_API)
    assert await introspecting.is_live(world, given["access_token"])
    await leave(visitor, id_token_hint=given["id_token"])
    assert await told(world, given["access_token"]) == introspecting.INACTIVE
    assert (await userinfo(world, given["access_token"])).status_code == 401


@pytest.mark.parametrize("form", introspecting.FORMS)
async def test_LO_04_an_api_that_asks_is_told_that_the_session_ran_out(form: str) -> None:
    """Where an operator makes sessions shorter than tokens."""
    world = await a_guarded_world(lifetimes=Lifetimes(session_idle_s=60))
    await set_api(world, **introspecting.FORMS[form])
    _, given = await got(world, **FOR_API)
    world.clock.advance(seconds=59)
    assert await introspecting.is_live(world, given["access_token"])
    world.clock.advance(seconds=1)
    assert not await introspecting.is_live(world, given["access_token"])


@pytest.mark.parametrize("form", introspecting.FORMS)
async def test_LO_04_offline_access_goes_on_in_every_form(form: str) -> None:
    world = await a_guarded_world()
    await set_api(world, **introspecting.FORMS[form])
    visitor, given = await got(world, **OFFLINE)
    await leave(visitor, id_token_hint=given["id_token"])
    assert not await is_signed_in(world, session_of(visitor))
    assert await introspecting.is_live(world, given["access_token"])
    renewed = await refreshed(world, given["refresh_token"])
    assert await introspecting.is_live(world, renewed["access_token"])
    assert (await userinfo(world, renewed["access_token"])).status_code == 200


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_LO_04_what_came_through_the_front_channel_ends_too(response_type: str) -> None:
    world = await a_front_world()
    visitor = Visitor(world)
    await visitor.authorize(**asked(response_type=response_type))
    await visitor.sign_in()
    answer = delivered(visitor.response)
    hint = answer.get("id_token")
    if hint is None:
        hint = (await got_again(world, visitor))["id_token"]
    await leave(visitor, id_token_hint=hint)
    assert '<body id="signed-out">' in visitor.response.text
    if "access_token" in answer:
        assert (await userinfo(world, answer["access_token"])).status_code == 401
    if "code" in answer:
        late = await redeem(world, answer["code"], "front", redirect_uri=FRONT_CALLBACK)
        assert late.json()["error"] == "invalid_grant"
    assert claims_of(hint)["sid"]


async def got_again(world: World, visitor: Visitor) -> dict[str, Any]:
    """By the code flow, in the same session."""
    await visitor.authorize(**asked())
    answer = await redeem(world, delivered(visitor.response)["code"], "front", redirect_uri=FRONT_CALLBACK)
    given: dict[str, Any] = answer.json()
    return given


async def test_LO_04_a_sign_out_between_the_page_and_the_code_asks_for_the_password_again() -> None:
    """The decision was made on a session that another tab ends before the code is stored."""
    world = await a_guarded_world()
    visitor, _ = await got(world)
    codes = type(world.services.store.codes)
    issue = codes.issue
    ended: list[GrantId] = []

    async def late(self: Any, code: Any, grant: Any, **values: Any) -> Any:
        if not ended:
            ended.append(grant.grant_id)
            tables(world).sessions.clear()
        return await issue(self, code, grant, **values)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(codes, "issue", late)
        await visitor.authorize()
    assert "login-submit" in visitor.page.ids and ended
    assert ended[0] not in tables(world).grants
