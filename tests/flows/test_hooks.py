"""The operator's pre-token hook: what it sees, what it may do, and that it fails closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from innkeeper.jose import base64url, strict_json
from innkeeper.server.flows import hooks as running
from innkeeper.server.hooks import Claims, Denied, Hooks, InteractionNeeded, PreToken
from tests.attacks.oracles import is_json_error, no_row
from tests.attacks.token_requests import redeem
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_world, basic

pytestmark = pytest.mark.anyio
ROLES = "https://example.test/roles"
MACHINE = {"grant_type": "client_credentials", "audience": TIMESHEETS}
OFFLINE = {"audience": TIMESHEETS, "scope": "openid offline_access read:timesheets create:timesheets"}
Hook = Callable[[PreToken], Awaitable[Claims | None]]


def payload(token: str) -> dict[str, Any]:
    return dict(strict_json.parse_object(base64url.decode(token.split(".")[1])))


async def world_with(hook: Hook) -> World:
    world = await a_world(hooks=Hooks(pre_token=hook))
    await world.change("web", grant_types=("authorization_code", "refresh_token"))
    return world


async def code_tokens(world: World) -> dict[str, Any]:
    answer = await redeem(world, await Visitor(world).code(**OFFLINE))
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def machine(world: World) -> Any:
    return await world.http().post("/oauth/token", data=MACHINE, headers=basic("cron"))


async def test_it_sees_who_asks_for_what() -> None:
    seen: list[PreToken] = []

    async def hook(request: PreToken) -> None:
        seen.append(request)

    world = await world_with(hook)
    first = await code_tokens(world)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": first["refresh_token"],
        "scope": "read:timesheets",
    }
    await world.http().post("/oauth/token", data=form, headers=basic("web"))
    await machine(world)
    code, refresh, cron = seen
    assert code.grant_type == "authorization_code" and code.user is not None and code.user.username == "erin"
    assert code.api == TIMESHEETS and code.amr == ("pwd",) and code.address == "203.0.113.7"
    assert refresh.grant_type == "refresh_token" and refresh.scope == ("read:timesheets",)
    assert cron.grant_type == "client_credentials" and cron.user is None and cron.client_id == "cron"


async def test_claims_go_where_they_are_meant_for() -> None:
    async def hook(request: PreToken) -> Claims:
        roles = [] if request.user is None else list(request.user.roles)
        return Claims(access_token={ROLES: roles}, id_token={"https://example.test/theme": "dark"})

    answered = await code_tokens(await world_with(hook))
    access, identity = payload(answered["access_token"]), payload(answered["id_token"])
    assert access[ROLES] == ["Employee"] and ROLES not in identity
    assert identity["https://example.test/theme"] == "dark" and "https://example.test/theme" not in access
    assert access["sub"] == identity["sub"] == "ik|erin"


async def test_it_takes_scopes_away_and_the_app_is_told() -> None:
    async def hook(request: PreToken) -> Claims:
        taken = {"create:timesheets", "offline_access"}
        return Claims(scope=tuple(word for word in request.scope if word not in taken))

    answered = await code_tokens(await world_with(hook))
    assert answered["scope"] == "openid read:timesheets"
    assert payload(answered["access_token"])["scope"] == "openid read:timesheets"
    assert "refresh_token" not in answered


async def test_a_refusal_reaches_the_app_and_consumes_nothing() -> None:
    closed = True

    async def hook(request: PreToken) -> None:
        if closed:
            raise Denied("Contractors come back on Monday.")

    world = await world_with(hook)
    code = await Visitor(world).code(**OFFLINE)
    with no_row(world):
        answer = await redeem(world, code)
    is_json_error(answer, 400, "access_denied")
    assert answer.json()["error_description"] == "Contractors come back on Monday."
    closed = False
    assert (await redeem(world, code)).status_code == 200


async def test_it_can_want_the_person_again_and_the_refresh_token_lives_on() -> None:
    closed = True

    async def hook(request: PreToken) -> None:
        if closed and request.grant_type == "refresh_token":
            raise InteractionNeeded("Payroll wants a password of today.")

    world = await world_with(hook)
    first = await code_tokens(world)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    with no_row(world):
        answer = await world.http().post("/oauth/token", data=form, headers=basic("web"))
    is_json_error(answer, 400, "interaction_required")
    assert answer.json()["error_description"] == "Payroll wants a password of today."
    closed = False
    again = await world.http().post("/oauth/token", data=form, headers=basic("web"))
    assert again.status_code == 200 and again.json()["refresh_token"] != first["refresh_token"]


async def raises(request: PreToken) -> Claims:
    raise KeyError("erin@example.test")


async def hangs(request: PreToken) -> Claims:
    await asyncio.sleep(3600)
    raise AssertionError


async def calls_itself_somebody_else(request: PreToken) -> Claims:
    return Claims(access_token={"sub": "ik|mona"})


async def overwrites_the_name(request: PreToken) -> Claims:
    return Claims(id_token={"email": "mona@example.test"})


async def adds_a_scope(request: PreToken) -> Claims:
    return Claims(scope=(*request.scope, "approve:timesheets"))


async def says_too_much(request: PreToken) -> Claims:
    return Claims(access_token={"https://example.test/all": "x" * 5000})


async def says_what_is_no_json(request: PreToken) -> Claims:
    return Claims(access_token={"https://example.test/all": object()})


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        (raises, "KeyError in line"),
        (hangs, "no answer in 0.01 s"),
        (calls_itself_somebody_else, "the claim 'sub' is reserved"),
        (overwrites_the_name, "the claim 'email' is reserved"),
        (adds_a_scope, "never add any"),
        (says_too_much, "4096 are the most"),
        (says_what_is_no_json, "cannot be written as JSON"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_hook_that_fails_lets_nobody_in(
    hook: Hook, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LIMIT_S", 0.01)
    world = await world_with(hook)
    code = await Visitor(world).code(**OFFLINE)
    with no_row(world):
        answers = [await redeem(world, code), await machine(world)]
    for answer in answers:
        is_json_error(answer, 400, "access_denied")
        assert answer.json()["error_description"] == running.FAILED
    failures = [event for event in world.heard.events if event.type == "hook.failed"]
    assert len(failures) == 2
    assert why in failures[0].detail and "erin@example.test" not in failures[0].detail  # type: ignore[attr-defined]


async def test_it_is_cancelled_with_its_request() -> None:
    """A hook that swallowed the cancellation of the server's end would keep the server from ending."""

    async def hook(request: PreToken) -> None:
        raise asyncio.CancelledError

    world = await world_with(hook)
    with pytest.raises(asyncio.CancelledError):
        await running.pre_token(
            an_authorization(world), world.services, grant_type="x", address="", correlation_id=""
        )


def an_authorization(world: World) -> Any:
    from innkeeper.oauth.scope import Scope
    from innkeeper.server.model.authorization import Authorization
    from tests.world import a_client

    return Authorization(client=a_client(), user=None, api=None, scope=Scope())
