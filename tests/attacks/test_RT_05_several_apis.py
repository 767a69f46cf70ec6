"""One refresh token, several APIs: only those that the app's policy lists, with the rights and consents of today."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.oauth.scope import Scope
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.grant import Epochs
from innkeeper.server.model.identifiers import ClientId, Subject
from tests.attacks.oracles import is_json_error, no_row
from tests.attacks.token_requests import revoke_consent, tables
from tests.fronting import claims_of
from tests.refreshing import (
    a_refresh_token,
    a_refreshing_world,
    families,
    is_refused,
    may_refresh,
    refresh,
    refreshed,
    signed_in,
)
from tests.visitor import Visitor
from tests.world import PAYROLL, TIMESHEETS, World, basic, code_form

pytestmark = pytest.mark.anyio


async def set_payroll(world: World, **changes: Any) -> None:
    store = world.services.store
    api = await store.apis.get(PAYROLL)
    assert api is not None
    await store.apis.replace(replace(api, **changes), events=())
    await world.services.registry.refresh()


@pytest.fixture
async def world() -> World:
    """`web` and `paycheck` may name the payroll at an exchange."""
    world = await a_refreshing_world()
    await set_payroll(world, allow_offline_access=True)
    await may_refresh(world, "web", "paycheck", apis=(PAYROLL,))
    return world


@pytest.mark.parametrize("name", ["resource", "audience"])
async def test_RT_05_an_api_of_the_policy_gets_an_access_token_of_its_own(world: World, name: str) -> None:
    token = await a_refresh_token(world)
    answer = await refreshed(world, token, **{name: PAYROLL}, scope="read:payroll")
    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["scope"], answer["scope"]) == (PAYROLL, "read:payroll", "read:payroll")
    [event] = [event for event in world.heard.events if event.type == "refresh.rotated"]
    assert (event.api, event.scope) == (PAYROLL, "read:payroll")  # type: ignore[attr-defined]


async def test_RT_05_family_and_grant_keep_their_breadth(world: World) -> None:
    first = await signed_in(world)
    [before] = families(world)
    other = await refreshed(world, first["refresh_token"], resource=PAYROLL, scope="read:payroll")
    [after] = families(world)
    assert (after.scope, after.grant_id, after.absolute_expires_at) == (
        before.scope, before.grant_id, before.absolute_expires_at
    )  # fmt: skip
    back = await refreshed(world, other["refresh_token"])
    assert claims_of(back["access_token"])["aud"] == claims_of(first["access_token"])["aud"]
    assert back["scope"] == first["scope"]


async def test_RT_05_a_token_for_another_api_ends_with_the_grant(world: World) -> None:
    token = await a_refresh_token(world)
    answer = await refreshed(world, token, resource=PAYROLL, scope="read:payroll openid")
    access = answer["access_token"]
    await world.change("web", resource_server_of=(PAYROLL,))
    ask: dict[str, Any] = {"data": {"token": access}, "headers": basic("web")}
    assert (await world.http().post("/oauth/introspect", **ask)).json()["active"] is True
    await revoke_consent(world)
    assert (await world.http().post("/oauth/introspect", **ask)).json() == {"active": False}
    is_refused(await refresh(world, answer["refresh_token"]))


async def test_RT_05_without_scope_it_is_what_a_new_request_would_get(world: World) -> None:
    token = await a_refresh_token(world)
    bare = await refreshed(world, token, resource=PAYROLL)
    assert bare["scope"] == ""
    await set_payroll(world, default_scope=("read:payroll",))
    assert (await refreshed(world, bare["refresh_token"], resource=PAYROLL))["scope"] == "read:payroll"


async def test_RT_04_on_another_api_the_rights_are_those_of_today(world: World) -> None:
    token = await a_refresh_token(world)
    await set_payroll(world, enforce_rbac=True)
    answer = await refreshed(world, token, resource=PAYROLL, scope="openid read:payroll")
    assert answer["scope"] == "openid"
    await world.change("web", api_grants=(ApiGrant(api=PAYROLL, scope=()),))
    await set_payroll(world, enforce_rbac=False)
    answer = await refreshed(world, answer["refresh_token"], resource=PAYROLL, scope="openid read:payroll")
    assert answer["scope"] == "openid"


async def test_RT_04_of_the_person_another_api_hears_no_more_than_was_granted(world: World) -> None:
    token = await a_refresh_token(world)
    with no_row(world):
        wider = await refresh(world, token, resource=PAYROLL, scope="openid email read:payroll")
        is_json_error(wider, 400, "invalid_scope")
    await refreshed(world, token)


async def forbids_offline(world: World) -> None:
    await set_payroll(world, allow_offline_access=False)


async def gives_people_nothing(world: World) -> None:
    await set_payroll(world, user_access="none")


async def is_for_named_apps(world: World) -> None:
    await set_payroll(world, user_access="per_app")


async def is_deleted(world: World) -> None:
    await world.services.store.apis.delete(PAYROLL, events=())
    await world.services.registry.refresh()


async def asks_people(world: World) -> None:
    await set_payroll(world, skip_consent=False)


async def left_the_policy(world: World) -> None:
    await may_refresh(world, "web")


@pytest.mark.parametrize(
    "change",
    [forbids_offline, gives_people_nothing, is_for_named_apps, is_deleted, asks_people, left_the_policy],
)
async def test_RT_05_another_api_is_an_invalid_target_when_it(world: World, change: Any) -> None:
    token = await a_refresh_token(world)
    await change(world)
    with no_row(world):
        is_json_error(await refresh(world, token, resource=PAYROLL), 400, "invalid_target")
    await refreshed(world, token)


async def test_RT_05_two_apis_at_once_are_an_invalid_target(world: World) -> None:
    token = await a_refresh_token(world)
    with no_row(world):
        both = await refresh(world, token, resource=PAYROLL, audience=TIMESHEETS)
        is_json_error(both, 400, "invalid_target")


async def test_RT_05_a_third_party_gets_what_the_person_has_allowed_it_there_before(world: World) -> None:
    grants = (
        ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),
        ApiGrant(api=PAYROLL, scope=("read:payroll",)),
    )
    await world.change("paycheck", api_grants=grants)
    ask = {"scope": "openid read:timesheets offline_access"}
    token = await a_refresh_token(world, "paycheck", **ask)
    wanted = {"resource": PAYROLL, "scope": "read:payroll"}
    with no_row(world):
        is_json_error(await refresh(world, token, "paycheck", **wanted), 400, "invalid_target")
    await Visitor(world).code("erin", client_id="paycheck", audience=PAYROLL, scope="offline_access")
    answer = await refreshed(world, token, "paycheck", **wanted)
    assert answer["scope"] == ""
    await Visitor(world).code("erin", client_id="paycheck", audience=PAYROLL, scope="read:payroll")
    answer = await refreshed(world, answer["refresh_token"], "paycheck", **wanted)
    assert answer["scope"] == "read:payroll"


# ------------------------------------------------------------ RT-11: a consent that was given for a time


async def consents_end(world: World, *, api: str | None) -> None:
    """As if it had been given for an hour only."""
    for key, consent in list(tables(world).consents.items()):
        if consent.api == api:
            ends = world.clock.now() + timedelta(hours=1)
            tables(world).consents[key] = replace(consent, expires_at=ends)


THIRD: dict[str, Any] = {"client_id": "paycheck", "scope": "openid read:timesheets offline_access"}


async def test_RT_11_a_consent_that_ran_out_renews_nothing(world: World) -> None:
    token = await a_refresh_token(world, **THIRD)
    await consents_end(world, api=TIMESHEETS)
    world.clock.advance(seconds=3599)
    token = (await refreshed(world, token, "paycheck"))["refresh_token"]
    world.clock.advance(seconds=1)
    with no_row(world):
        is_refused(await refresh(world, token, "paycheck"))


async def test_RT_11_a_consent_for_the_identity_that_ran_out_takes_the_identity_away(world: World) -> None:
    token = await a_refresh_token(world, **THIRD)
    await consents_end(world, api=None)
    world.clock.advance(seconds=3600)
    answer = await refreshed(world, token, "paycheck")
    assert answer["scope"].split() == ["read:timesheets", "offline_access"] and "id_token" not in answer


async def test_RT_11_a_consent_that_was_given_again_goes_on(world: World) -> None:
    token = await a_refresh_token(world, **THIRD)
    await consents_end(world, api=TIMESHEETS)
    world.clock.advance(seconds=3600)
    user = await world.services.store.users.get(Subject("ik|erin"))
    client = await world.services.store.clients.get(ClientId("paycheck"))
    assert user is not None and client is not None
    scope = Scope.parse("read:timesheets offline_access")
    await world.services.store.consents.allow(
        user.user_id, client.client_id, [(TIMESHEETS, scope)], answered=(TIMESHEETS, scope),
        epochs=Epochs(client_revision=client.revision, client_epoch=client.epoch, user_epoch=user.epoch),
        now=world.clock.now(), events=(),
    )  # fmt: skip
    await refreshed(world, token, "paycheck")


async def test_RT_11_where_nobody_is_asked_no_consent_can_run_out(world: World) -> None:
    token = await a_refresh_token(world, prompt="consent")
    await consents_end(world, api=TIMESHEETS)
    world.clock.advance(seconds=3600)
    await refreshed(world, token)


async def test_RT_11_a_code_gives_nothing_of_a_consent_that_ran_out_meanwhile(world: World) -> None:
    code = await Visitor(world).code("erin", audience=TIMESHEETS, **THIRD)
    for key, consent in list(tables(world).consents.items()):
        tables(world).consents[key] = replace(consent, expires_at=world.clock.now())
    answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("paycheck"))
    is_json_error(answer, 400, "invalid_grant")
