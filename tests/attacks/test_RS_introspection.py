"""Attacks on APIs whose guard asks: tokens that were ended, answers that are not what they seem, mixed-up memories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from innkeeper.oauth.errors import OAuthError
from innkeeper.resource_server import Guard, Introspection, InvalidToken, RequireScope, ScopeRequired
from tests.attacks.token_requests import redeem
from tests.introspecting import (
    FORMS,
    GRANTS,
    GUARD,
    OTHER_GUARD,
    Got,
    a_guarded_world,
    by_code,
    by_itself,
    set_api,
)
from tests.refreshing import refreshed, revoke, signed_in
from tests.stand_in_issuer import StandInIssuer
from tests.visitor import Visitor
from tests.world import PAYROLL, SECRET, TIMESHEETS, World

pytestmark = pytest.mark.anyio
AS_API = Introspection(client_id=GUARD, client_secret=SECRET)
KEEPING = Introspection(client_id=GUARD, client_secret=SECRET, kept_for=timedelta(seconds=30))
EVERY_FORM = pytest.mark.parametrize("form", FORMS)
EVERY_GRANT = pytest.mark.parametrize(("holder", "got"), GRANTS.values(), ids=GRANTS)


@pytest.fixture
async def world() -> World:
    return await a_guarded_world()


@pytest.fixture
async def issuer() -> StandInIssuer:
    return StandInIssuer()


def guard_of(world: World, api: str = TIMESHEETS, client_id: str = GUARD, **settings: Any) -> Guard:
    """A guard whose network is the server of this world."""

    async def fetch(url: str) -> bytes:
        answer = await world.http().get(url)
        assert answer.status_code == 200, url
        return answer.content

    async def ask(url: str, form: Mapping[str, str], authorization: str) -> bytes:
        headers = {"authorization": authorization}
        answer = await world.http().post(url, data=dict(form), headers=headers)
        if answer.status_code != 200:
            raise OSError(answer.status_code)
        return answer.content

    introspection = Introspection(client_id=client_id, client_secret=SECRET)
    given = {"introspection": introspection, "online": True, "leeway": timedelta(0), **settings}
    return Guard(issuer=world.issuer, audience=api, fetch=fetch, ask=ask, clock=world.clock.now, **given)


async def status(guard: Guard, token: str, scope: str | None = "read:timesheets") -> int:
    """What an API behind this guard answers."""

    async def resource(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.access_token.subject)

    needs = Middleware(RequireScope, guard=guard, scope=scope)
    api = Starlette(routes=[Route("/", resource, middleware=[needs])])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api), base_url="https://api.test"
    ) as http:
        return (await http.get("/", headers={"authorization": f"Bearer {token}"})).status_code


# ------------------------------------------------------------ RS-02, RS-07, RS-10: against the server itself


@EVERY_FORM
@EVERY_GRANT
async def test_RS_10_a_token_that_was_given_back_is_refused_at_once_where_the_guard_asks(
    world: World, form: str, holder: str, got: Got
) -> None:
    await set_api(world, **FORMS[form])
    guard, token = guard_of(world), await got(world)
    assert await status(guard, token) == 200
    assert (await revoke(world, token, holder)).status_code == 200
    assert await status(guard, token) == 401


async def test_RS_10_an_offline_guard_honours_a_jwt_until_its_exp_as_documented(world: World) -> None:
    guard, token = guard_of(world, introspection=None, online=False), await by_code(world)
    assert (await revoke(world, token)).status_code == 200
    assert await status(guard, token) == 200
    world.clock.advance(seconds=900)
    assert await status(guard, token) == 401


async def test_RS_10_an_api_changes_its_form_and_its_guard_goes_on(world: World) -> None:
    guard = guard_of(world, online=False)
    before = await by_code(world)
    await set_api(world, token_format="opaque")
    after = await by_code(world)
    for token in (before, after, await by_itself(world)):
        assert await status(guard, token) == 200
    assert await status(guard, after, "approve:timesheets") == 403


@EVERY_FORM
async def test_RS_02_a_token_for_payroll_opens_no_timesheets(world: World, form: str) -> None:
    await set_api(world, PAYROLL, **FORMS[form])
    code = await Visitor(world).code("erin", audience=PAYROLL, scope="read:payroll")
    token = (await redeem(world, code)).json()["access_token"]
    assert await status(guard_of(world), token, None) == 401
    assert await status(guard_of(world, PAYROLL, OTHER_GUARD), token, None) == 200


@EVERY_FORM
async def test_RS_02_a_guard_asks_only_as_the_app_that_guards_the_api(world: World, form: str) -> None:
    await set_api(world, **FORMS[form])
    assert await status(guard_of(world, client_id=OTHER_GUARD), await by_code(world)) == 401


async def test_RS_02_a_userinfo_token_opens_no_api(world: World) -> None:
    token = (await signed_in(world, audience=None, scope="openid offline_access"))["access_token"]
    for client_id in (GUARD, "web"):
        assert await status(guard_of(world, client_id=client_id), token, None) == 401


@EVERY_FORM
async def test_RS_07_refresh_and_id_tokens_open_nothing(world: World, form: str) -> None:
    """Even where the app that holds them asks, and is told that its refresh token lives."""
    await set_api(world, **FORMS[form])
    await world.change("web", resource_server_of=(TIMESHEETS,))
    answered = await signed_in(world)
    renewed = await refreshed(world, answered["refresh_token"])
    for token in (renewed["refresh_token"], answered["id_token"], renewed["id_token"]):
        for online in (False, True):
            assert await status(guard_of(world, client_id="web", online=online), token, None) == 401


# ------------------------------------------------------------ RS-11: memories


async def test_RS_11_two_tokens_are_never_mixed_up(issuer: StandInIssuer) -> None:
    guard = issuer.guard(introspection=KEEPING)
    reads, writes = (
        issuer.opaque_token("read:timesheets"),
        issuer.opaque_token("create:timesheets", sub="mona"),
    )
    for _ in range(2):
        assert (await guard.check([f"Bearer {reads}"])).subject == "erin"
        assert (await guard.check([f"Bearer {writes}"])).subject == "mona"
        with pytest.raises(ScopeRequired):
            await guard.check([f"Bearer {reads}"], scope="create:timesheets")
        with pytest.raises(ScopeRequired):
            await guard.check([f"Bearer {writes}"], scope="read:timesheets")
    assert len(issuer.questions) == 2


async def test_RS_11_what_one_api_remembers_opens_no_other(issuer: StandInIssuer) -> None:
    here = issuer.guard(introspection=KEEPING)
    there = issuer.guard("https://api.exampleco.test/payroll", introspection=KEEPING)
    token = issuer.opaque_token()
    await here.check([f"Bearer {token}"])
    with pytest.raises(InvalidToken):
        await there.check([f"Bearer {token}"])


async def test_RS_11_a_refusal_is_not_remembered(issuer: StandInIssuer) -> None:
    guard, token = issuer.guard(introspection=KEEPING), issuer.opaque_token()
    issuer.ended.add(token)
    with pytest.raises(InvalidToken):
        await guard.check([f"Bearer {token}"])
    issuer.ended.clear()
    await guard.check([f"Bearer {token}"])


async def test_RS_11_a_prefix_or_another_spelling_is_another_token(issuer: StandInIssuer) -> None:
    guard, token = issuer.guard(introspection=KEEPING), issuer.opaque_token()
    await guard.check([f"Bearer {token}"])
    for other in (token[:-1], token + "0", token.upper(), token + "="):
        with pytest.raises(OAuthError):
            await guard.check([f"Bearer {other}"])


# ------------------------------------------------------------ RS-13: answers


GOOD: dict[str, Any] = {
    "active": True,
    "token_type": "Bearer",
    "iss": "http://localhost:9000",
    "sub": "erin",
    "aud": "https://api.exampleco.test/timesheets",
    "client_id": "timesheets-spa",
    "scope": "read:timesheets",
    "jti": "g.r",
    "iat": 1795176000,
    "exp": 1795176900,
}
STRANGE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "inactive": {"active": False},
    "active as text": GOOD | {"active": "true"},
    "active as a number": GOOD | {"active": 1},
    "active as a list": GOOD | {"active": [True]},
    "active as nothing": GOOD | {"active": None},
    "no active": {name: value for name, value in GOOD.items() if name != "active"},
    "another issuer": GOOD | {"iss": "http://localhost:9001"},
    "no issuer": {name: value for name, value in GOOD.items() if name != "iss"},
    "another audience": GOOD | {"aud": "https://api.exampleco.test/payroll"},
    "audiences that contain it in their names": GOOD | {"aud": ["https://api.exampleco.test/timesheets/x"]},
    "no audience": {name: value for name, value in GOOD.items() if name != "aud"},
    "over": GOOD | {"exp": 1},
    "exp as text": GOOD | {"exp": "1795176900"},
    "no exp": {name: value for name, value in GOOD.items() if name != "exp"},
    "from the future": GOOD | {"iat": 1795179999},
    "not yet": GOOD | {"nbf": 1795179999},
    "no subject": {name: value for name, value in GOOD.items() if name != "sub"},
    "a subject that is a list": GOOD | {"sub": ["erin"]},
    "no client": {name: value for name, value in GOOD.items() if name != "client_id"},
    "a scope that is a list": GOOD | {"scope": ["read:timesheets"]},
    "no type, as of a refresh token": {name: value for name, value in GOOD.items() if name != "token_type"},
    "another type": GOOD | {"token_type": "DPoP"},
    "bound to a key": GOOD | {"cnf": {"jkt": "x"}},
}


async def test_RS_13_the_control_answer_is_taken(issuer: StandInIssuer) -> None:
    issuer.answer = json.dumps(GOOD).encode()
    found = await issuer.guard(introspection=AS_API).check(["Bearer ik_at_x"], scope="read:timesheets")
    assert found.subject == "erin"


@pytest.mark.parametrize("said", STRANGE.values(), ids=STRANGE)
async def test_RS_13_an_answer_that_is_not_plainly_yes_is_no(
    issuer: StandInIssuer, said: dict[str, Any]
) -> None:
    issuer.answer = json.dumps(said).encode()
    guard = issuer.guard(introspection=KEEPING)
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await guard.check(["Bearer ik_at_x"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"true",
        b"[]",
        b'"active"',
        b"<html><body>active: true</body></html>",
        b'{"active": true',
        b'{"active": false, "active": true}',
        b'{"active": true, "aud": "x", "aud": "https://api.exampleco.test/timesheets"}',
        b"\xff\xfe{}",
        b'{"active": NaN}',
        json.dumps(GOOD).encode() + b"{}",
    ],
)
async def test_RS_13_what_is_no_json_object_is_no(issuer: StandInIssuer, body: bytes) -> None:
    issuer.answer = body
    with pytest.raises(InvalidToken):
        await issuer.guard(introspection=AS_API).check(["Bearer ik_at_x"])


async def test_RS_13_an_endless_answer_is_no_answer(issuer: StandInIssuer) -> None:
    issuer.answer = json.dumps(GOOD | {"x": "x" * 300_000}).encode()
    with pytest.raises(OAuthError) as refused:
        await issuer.guard(introspection=AS_API).check(["Bearer ik_at_x"])
    assert refused.value.status == 503
