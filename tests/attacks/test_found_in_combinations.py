"""What a hostile tester found where two features meet, each with the way in that it had."""

from __future__ import annotations

import json

import pytest

from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.clients import ClientChanges
from innkeeper.server.hooks import Claims, Hooks, PreToken
from innkeeper.server.model.client import ApiGrant
from tests.attacks.oracles import is_json_error, no_row
from tests.attacks.test_found_in_deleted_apis import recreate
from tests.attacks.test_TX_exchange import TO_PAYROLL, a_service, exchange
from tests.attacks.token_requests import FOR_API, redeem, tokens
from tests.introspecting import (
    FORMS,
    GRANTS,
    GUARD,
    INACTIVE,
    a_guarded_world,
    is_live,
    set_api,
    told,
)
from tests.refreshing import a_refreshing_world, refreshed, signed_in
from tests.television import DEVICE_GRANT, Phone, shown
from tests.visitor import Visitor
from tests.world import PAYROLL, START, TIMESHEETS, World, a_world, basic

pytestmark = pytest.mark.anyio
TAKEN_AWAY = "create:timesheets"


# ------------------------------------------------------------ refreshing, and what the first answer did not have


async def test_a_refresh_never_gives_more_than_the_first_answer() -> None:
    async def only_at_first(request: PreToken) -> Claims | None:
        if request.grant_type != "authorization_code":
            return None
        return Claims(scope=tuple(word for word in request.scope if word != TAKEN_AWAY))

    world = await a_refreshing_world(hooks=Hooks(pre_token=only_at_first))
    first = await signed_in(world)
    assert TAKEN_AWAY not in first["scope"].split()
    again = await refreshed(world, first["refresh_token"])
    assert again["scope"] == first["scope"]


async def test_introspection_says_of_a_refresh_token_what_it_gives() -> None:
    async def only_at_first(request: PreToken) -> Claims | None:
        if request.grant_type != "authorization_code":
            return None
        return Claims(scope=tuple(word for word in request.scope if word != TAKEN_AWAY))

    world = await a_refreshing_world(hooks=Hooks(pre_token=only_at_first))
    first = await signed_in(world)
    assert (await told(world, first["refresh_token"], "web"))["scope"] == first["scope"]


@pytest.mark.parametrize("user_access", ["none", "per_app"])
async def test_of_a_refresh_token_for_an_api_that_was_closed_introspection_says_nothing(
    user_access: str,
) -> None:
    world = await a_guarded_world()
    token = (await signed_in(world))["refresh_token"]
    await set_api(world, user_access=user_access)
    assert await told(world, token, "web") == INACTIVE


# ------------------------------------------------------------ exchanging to and fro


@pytest.mark.parametrize("back_by", ["timesheets-api", "payroll-api"])
async def test_a_detour_by_another_api_widens_nothing(back_by: str) -> None:
    to_both = (*TO_PAYROLL, ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "create:timesheets")))
    world = await a_world(
        extra_clients=(
            a_service("timesheets-api", api_grants=to_both),
            a_service("payroll-api", resource_server_of=(PAYROLL,), api_grants=to_both),
        )
    )
    given = (await tokens(world, **FOR_API))["access_token"]
    there = (await exchange(world, given)).json()["access_token"]
    back = await exchange(world, there, back_by, audience=TIMESHEETS)
    assert back.status_code == 200, back.text
    assert back.json()["scope"] == "read:timesheets"


async def test_a_narrowed_token_stays_narrow_on_its_own_api() -> None:
    to_both = (*TO_PAYROLL, ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "create:timesheets")))
    world = await a_refreshing_world(extra_clients=(a_service("timesheets-api", api_grants=to_both),))
    first = await signed_in(world)
    narrow = await refreshed(world, first["refresh_token"], scope="openid read:timesheets")
    answer = await exchange(world, narrow["access_token"], audience=TIMESHEETS)
    assert answer.json()["scope"] == "read:timesheets", answer.text


# ------------------------------------------------------------ an API that takes another one's name


async def _another_api_of_its_name(world: World) -> None:
    await clients.change(world.services, GUARD, ClientChanges(resource_server_of=()))
    await recreate(world)
    await clients.change(world.services, GUARD, ClientChanges(resource_server_of=(TIMESHEETS,)))
    await world.services.registry.refresh()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", GRANTS)
async def test_an_access_token_for_a_deleted_api_is_none_for_the_next(way: str, form: str) -> None:
    world = await a_guarded_world()
    await set_api(world, **FORMS[form])
    _, got = GRANTS[way]
    token = await got(world)
    assert await is_live(world, token)
    await _another_api_of_its_name(world)
    assert not await is_live(world, token)
    assert await is_live(world, await got(world))


@pytest.mark.parametrize("form", FORMS)
async def test_a_token_of_the_second_in_which_its_api_was_made_is_believed(form: str) -> None:
    """`iat` has no fractions, the record of the API has."""
    world = await a_guarded_world()
    world.clock.advance(seconds=0.7)
    await set_api(world, **FORMS[form], created_at=world.clock.now())
    world.clock.advance(seconds=0.1)
    assert START.second == world.clock.now().second
    _, got = GRANTS["client_credentials"]
    assert await is_live(world, await got(world))


# ------------------------------------------------------------ naming another API when a code is redeemed


@pytest.mark.parametrize("name", ["audience", "resource"])
@pytest.mark.parametrize("asked", [FOR_API, {"scope": "openid"}])
async def test_a_code_is_not_redeemed_for_another_api(asked: dict[str, str], name: str) -> None:
    world = await a_world()
    code = await Visitor(world).code(**asked)
    with no_row(world):
        is_json_error(await redeem(world, code, **{name: PAYROLL}), 400, "invalid_target")
    same = {name: asked["audience"]} if "audience" in asked else {}
    assert (await redeem(world, code, **same)).status_code == 200


@pytest.mark.parametrize("name", ["audience", "resource"])
async def test_a_device_code_is_not_redeemed_for_another_api(name: str) -> None:
    world = await a_guarded_world()
    codes = await shown(world, client_id="box", headers=basic("box"))
    await Phone(world).connect(codes)
    form = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=form | {name: PAYROLL}, headers=basic("box"))
        is_json_error(answer, 400, "invalid_target")
    answer = await world.http().post("/oauth/token", data=form | {name: TIMESHEETS}, headers=basic("box"))
    assert answer.status_code == 200, answer.text


# ------------------------------------------------------------ asking in silence who is there


async def test_an_app_that_nobody_allowed_anything_does_not_find_out_who_is_signed_in() -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.authorize()
    await visitor.sign_in("erin")
    told_of = {}
    for guess in ("ik|erin", "ik|mona"):
        claims = json.dumps({"id_token": {"sub": {"value": guess}}})
        await visitor.authorize(client_id="paycheck", prompt="none", claims=claims)
        told_of[guess] = visitor.answer()["error"]
    assert told_of == {"ik|erin": "consent_required", "ik|mona": "consent_required"}


async def test_who_has_allowed_an_app_to_know_them_is_still_told_apart() -> None:
    world = await a_world()
    visitor = Visitor(world)
    await visitor.code("erin", client_id="paycheck")
    claims = json.dumps({"id_token": {"sub": {"value": "ik|mona"}}})
    await visitor.authorize(client_id="paycheck", prompt="none", claims=claims)
    assert visitor.answer()["error"] == "login_required"
