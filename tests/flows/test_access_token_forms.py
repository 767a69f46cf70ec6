"""What access tokens look like, by the choice of their API, and what each form costs the store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from innkeeper.jose import base64url
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.role import Permission
from innkeeper.server.storage.outcomes import Stale
from tests.attacks.oracles import is_json_error, no_row
from tests.attacks.token_requests import FOR_API, redeem, tables, tokens, userinfo
from tests.flows.test_token import cost
from tests.introspecting import (
    FORMS,
    GRANTS,
    Got,
    a_guarded_world,
    by_code,
    by_itself,
    introspect,
    is_live,
    machine_tokens,
    opaque_rows,
    set_api,
    told,
)
from tests.refreshing import may_refresh, refresh, refreshed, signed_in
from tests.visitor import Visitor
from tests.world import EMPLOYEE, PAYROLL, TIMESHEETS, World, basic

pytestmark = pytest.mark.anyio
EVERY_FORM = pytest.mark.parametrize("form", FORMS)
EVERY_GRANT = pytest.mark.parametrize(("holder", "got"), GRANTS.values(), ids=GRANTS)


@pytest.fixture
async def world() -> World:
    return await a_guarded_world()


def header(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".")[0]))
    return found


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return found


# ------------------------------------------------------------ format


@EVERY_GRANT
async def test_an_api_chooses_the_format_for_every_grant(world: World, holder: str, got: Got) -> None:
    assert (await got(world)).count(".") == 2
    assert opaque_rows(world) == []
    await set_api(world, token_format="opaque")
    token = await got(world)
    assert token.startswith("ik_at_") and "." not in token
    kept = repr(opaque_rows(world))
    assert token not in kept and token[6:] not in kept


async def test_switching_the_format_breaks_no_app_and_no_running_family(world: World) -> None:
    first = await signed_in(world)
    await set_api(world, token_format="opaque")
    second = await refreshed(world, first["refresh_token"])
    await set_api(world, token_profile="auth0", token_format="jwt")
    third = await refreshed(world, second["refresh_token"])
    assert second["access_token"].startswith("ik_at_")
    assert header(third["access_token"])["typ"] == "JWT"
    for answered in (first, second, third):
        assert answered.keys() == first.keys()
        assert (answered["token_type"], answered["expires_in"], answered["scope"]) == (
            "Bearer",
            900,
            first["scope"],
        )
        assert await is_live(world, answered["access_token"])
        assert (await userinfo(world, answered["access_token"])).json()["sub"] == "ik|erin"


@EVERY_FORM
@pytest.mark.parametrize("lifetime", [60, 7200])
async def test_expires_in_is_the_truth(world: World, form: str, lifetime: int) -> None:
    await set_api(world, **FORMS[form], access_token_lifetime=timedelta(seconds=lifetime))
    for ask in (signed_in, machine_tokens):
        answer: Any = await ask(world)
        answered = answer if isinstance(answer, dict) else answer.json()
        assert answered["expires_in"] == lifetime
        world.clock.advance(seconds=lifetime - 1)
        assert await is_live(world, answered["access_token"])
        world.clock.advance(seconds=1)
        assert not await is_live(world, answered["access_token"])


@EVERY_FORM
async def test_the_audience_is_the_api_and_userinfo_for_whoever_may_ask_it(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    both = (await signed_in(world))["access_token"]
    assert (await told(world, both))["aud"] == [TIMESHEETS, f"{world.issuer}/userinfo"]
    alone = (await tokens(world, audience=TIMESHEETS, scope="read:timesheets"))["access_token"]
    assert (await told(world, alone))["aud"] == TIMESHEETS
    assert (await userinfo(world, alone)).status_code == 403


# ------------------------------------------------------------ profile


async def test_a_jwt_of_the_auth0_profile_says_what_auth0s_libraries_expect(world: World) -> None:
    await set_api(world, token_profile="auth0")
    token = (await signed_in(world))["access_token"]
    now = int(world.clock.now().timestamp())
    assert header(token)["typ"] == "JWT"
    said = claims(token)
    assert said.pop("jti")
    assert said == {
        "iss": world.issuer,
        "sub": "ik|erin",
        "aud": [TIMESHEETS, f"{world.issuer}/userinfo"],
        "azp": "web",
        "iat": now,
        "exp": now + 900,
        "scope": "openid profile offline_access read:timesheets create:timesheets",
    } | {"scope": said["scope"]}


@pytest.mark.parametrize(
    ("got", "gty"),
    [
        (GRANTS["code"][1], None),
        (GRANTS["refresh"][1], "refresh_token"),
        (GRANTS["client_credentials"][1], "client-credentials"),
        (GRANTS["password"][1], "password"),
        (GRANTS["implicit"][1], None),
        (GRANTS["device"][1], None),
        (GRANTS["hybrid"][1], None),
    ],
    ids=GRANTS,
)
async def test_gty_names_the_grant_where_auth0_names_it(world: World, got: Got, gty: str | None) -> None:
    await set_api(world, token_profile="auth0")
    assert claims(await got(world)).get("gty") == gty
    await set_api(world, token_profile="rfc9068")
    assert "gty" not in claims(await got(world))


async def test_a_machines_subject_ends_as_auth0s_do(world: World) -> None:
    assert claims(await by_itself(world))["sub"] == "cron"
    await set_api(world, token_profile="auth0")
    token = await by_itself(world)
    assert claims(token)["sub"] == "cron@clients"
    is_json_error(await userinfo(world, token), 403, "insufficient_scope")


# ------------------------------------------------------------ permissions


async def permissions(world: World, token: str) -> list[str] | None:
    found = (await told(world, token)).get("permissions")
    return None if found is None else sorted(found)


@EVERY_FORM
async def test_permissions_come_where_the_api_wants_them(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    narrow: dict[str, Any] = {"audience": TIMESHEETS, "scope": "read:timesheets"}
    assert await permissions(world, (await tokens(world, **narrow))["access_token"]) is None
    await set_api(world, permissions_claim=True)
    everything = ["create:timesheets", "delete:timesheets", "read:timesheets"]
    assert await permissions(world, (await tokens(world, **narrow))["access_token"]) == everything
    await world.change_user(
        "erin", roles=(), permissions=(Permission(api=TIMESHEETS, scope="read:timesheets"),)
    )
    assert await permissions(world, (await tokens(world, **narrow))["access_token"]) == ["read:timesheets"]
    await world.change_user("erin", permissions=())
    await set_api(world, enforce_rbac=False)
    assert await permissions(world, (await tokens(world, **narrow))["access_token"]) == []


async def test_permissions_are_todays_at_every_exchange(world: World) -> None:
    await set_api(world, permissions_claim=True)
    first = await signed_in(world)
    await world.change_user("erin", permissions=(Permission(api=TIMESHEETS, scope="approve:timesheets"),))
    second = await refreshed(world, first["refresh_token"])
    assert "approve:timesheets" in (await permissions(world, second["access_token"]) or [])
    assert "approve:timesheets" not in second["scope"]


async def test_permissions_of_somebody_elses_app_are_what_the_person_allowed_it(world: World) -> None:
    await set_api(world, permissions_claim=True)
    await may_refresh(world, "paycheck")
    token = (await signed_in(world, "paycheck", scope="openid read:timesheets offline_access"))[
        "access_token"
    ]
    assert await permissions(world, token) == ["read:timesheets"]


async def test_permissions_never_go_beyond_what_the_app_was_granted(world: World) -> None:
    await set_api(world, permissions_claim=True)
    await world.change(
        "web", api_grants=(ApiGrant(api=TIMESHEETS, scope=("read:timesheets", "approve:timesheets")),)
    )
    assert await permissions(world, await by_code(world)) == ["read:timesheets"]


async def test_permissions_on_another_api_stay_out(world: World) -> None:
    await set_api(world, permissions_claim=True)
    elsewhere = Permission(api=PAYROLL, scope="read:payroll")
    await world.services.store.roles.replace(
        type(EMPLOYEE)(name="Employee", permissions=(*EMPLOYEE.permissions, elsewhere)), events=()
    )
    await world.services.registry.refresh()
    assert "read:payroll" not in (await permissions(world, await by_code(world)) or [])


# ------------------------------------------------------------ cost


@EVERY_FORM
@EVERY_GRANT
async def test_introspection_costs_one_read_and_no_transition(
    world: World, form: str, holder: str, got: Got
) -> None:
    await set_api(world, **FORMS[form])
    token = await got(world)
    await introspect(world, token)
    for caller in ("timesheets-api", holder):
        await introspect(world, "x", caller)
        assert await cost(world, lambda caller=caller: introspect(world, token, caller)) == (1, 0)  # type: ignore[misc]


async def test_introspecting_a_refresh_token_costs_one_read(world: World) -> None:
    token = (await signed_in(world))["refresh_token"]
    assert await cost(world, lambda: introspect(world, token, "web")) == (1, 0)


async def test_what_cannot_be_a_token_costs_nothing(world: World) -> None:
    await introspect(world, "x")
    for text in ("x", "ik_rt_" + "A" * 104, "ik_at_x", "a.b.c"):
        assert await cost(world, lambda text=text: introspect(world, text)) == (0, 0)  # type: ignore[misc]


async def test_an_opaque_token_of_a_machine_costs_one_transition_and_a_jwt_none(world: World) -> None:
    await machine_tokens(world)
    assert await cost(world, lambda: machine_tokens(world)) == (0, 0)
    await set_api(world, token_format="opaque")
    with_row: Callable[[], Awaitable[Any]] = lambda: machine_tokens(world)  # noqa: E731
    assert await cost(world, with_row) == (0, 1)
    assert len(opaque_rows(world)) == 1


@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_a_code_and_a_refresh_cost_one_transition_in_either_form(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    code = await Visitor(world).code(**FOR_API)
    assert await cost(world, lambda: redeem(world, code)) == (1, 1)
    token = (await signed_in(world))["refresh_token"]
    assert await cost(world, lambda: refresh(world, token)) == (1, 1)


# ------------------------------------------------------------ what stands in the way


async def test_an_app_that_moved_meanwhile_is_decided_again(world: World) -> None:
    await set_api(world, token_format="opaque")
    assert (await machine_tokens(world)).status_code == 200
    read = ApiGrant(api=TIMESHEETS, scope=("read:timesheets",))
    cron = await world.services.registry.client("cron")
    assert cron is not None
    changed = {**{name: getattr(cron, name) for name in cron.__struct_fields__}, "api_grants": (read,)}
    await world.services.store.clients.replace(type(cron)(**changed), events=())
    answer = await machine_tokens(world)  # the server has not noticed the change when the request arrives
    assert answer.json()["scope"] == "read:timesheets"
    assert [row.scope for row in opaque_rows(world)][-1] == ("read:timesheets",)


async def test_a_store_where_everything_keeps_moving_gives_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_api(world, token_format="opaque")

    async def stale(*arguments: Any, **named: Any) -> Stale:
        return Stale()

    monkeypatch.setattr(world.services.store.access_tokens, "issue", stale)
    with no_row(world):
        answer = await machine_tokens(world)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


async def test_a_refused_request_of_a_machine_leaves_no_row(world: World) -> None:
    await set_api(world, token_format="opaque")
    with no_row(world):
        is_json_error(await machine_tokens(world, scope="delete:timesheets"), 400, "invalid_scope")
        answer = await world.http().post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "audience": TIMESHEETS},
            headers=basic("cron", "wrong"),
        )
        is_json_error(answer, 401, "invalid_client")


async def test_a_machines_opaque_token_is_told_of_once(world: World) -> None:
    await set_api(world, token_format="opaque")
    before = len(tables(world).audit)
    token = (await machine_tokens(world)).json()["access_token"]
    assert [row.type for row in tables(world).audit[before:]] == ["token.issued"]
    assert world.heard.types().count("token.issued") == 1
    assert token not in repr(world.heard.events)
