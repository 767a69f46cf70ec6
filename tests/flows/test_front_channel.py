"""Implicit and hybrid flows: what leaves the authorization endpoint, what is stored for it, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest

from innkeeper.jose.hashes import at_hash
from innkeeper.server.hooks import Claims, Denied, Hooks, PreToken
from innkeeper.server.model.events import CodeIssued, GrantOpened
from innkeeper.server.storage.outcomes import Stale
from tests.attacks.oracles import no_row, rows
from tests.attacks.token_requests import tables, userinfo
from tests.fronting import (
    FRONT_CALLBACK,
    FRONT_CHANNEL,
    a_front_world,
    answered,
    asked,
    claims_of,
    delivered,
)
from tests.visitor import Visitor
from tests.world import ISSUER, TIMESHEETS, World, basic, code_form

pytestmark = pytest.mark.anyio

WITH_ID_TOKEN = tuple(value for value in FRONT_CHANNEL if "id_token" in value)
WITH_TOKEN = tuple(value for value in FRONT_CHANNEL if "token" in value.split())
WITH_CODE = tuple(value for value in FRONT_CHANNEL if "code" in value)
API = {"audience": str(TIMESHEETS), "scope": "openid profile read:timesheets offline_access"}


@pytest.fixture
async def world() -> World:
    return await a_front_world()


async def redeemed(world: World, code: str) -> dict[str, Any]:
    form = code_form(code, redirect_uri=FRONT_CALLBACK)
    answer = await world.http().post("/oauth/token", data=form, headers=basic("front"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# ------------------------------------------------------------ what leaves


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_exactly_what_was_asked_for_leaves(world: World, response_type: str) -> None:
    words = set(response_type.split())
    expected = {"state", "iss"} | (words & {"code", "id_token"})
    if "token" in words:
        expected |= {"access_token", "token_type", "expires_in", "scope"}
    answer = await answered(world, response_type=response_type, state="s")
    assert answer.keys() == expected
    assert (answer["state"], answer["iss"]) == ("s", ISSUER)
    assert answer.get("token_type", "Bearer") == "Bearer"


@pytest.mark.parametrize("words", list(permutations(("code", "id_token", "token"))))
async def test_words_come_in_any_order(world: World, words: tuple[str, ...]) -> None:
    answer = await answered(world, response_type=" ".join(words))
    assert {"code", "id_token", "access_token"} <= answer.keys()


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("audience", [None, TIMESHEETS])
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
async def test_an_id_token_is_bound_to_what_leaves_beside_it(
    world: World, response_type: str, audience: str | None, alg: str
) -> None:
    await world.change("front", id_token_signed_response_alg=alg)
    answer = await answered(world, response_type=response_type, audience=audience, nonce="n-1")
    claims = claims_of(answer["id_token"])
    assert (claims["nonce"], claims["aud"], claims["sub"]) == ("n-1", "front", "ik|erin")
    for claim, parameter in (("c_hash", "code"), ("at_hash", "access_token")):
        assert claims.get(claim) == (at_hash(answer[parameter], alg) if parameter in answer else None)


async def test_a_login_by_id_token_alone_needs_no_second_call(world: World) -> None:
    """Its claims are in it, whatever the app's setting: there is no other way to get them (Core §5.4)."""
    await world.change("front", id_token_profile=False)
    answer = await answered(world, response_type="id_token", scope="openid profile email")
    claims = claims_of(answer["id_token"])
    assert (claims["name"], claims["email"]) == ("Erin Example", "erin@example.test")


@pytest.mark.parametrize("is_told", [True, False])
async def test_with_an_access_token_the_setting_of_the_app_decides(world: World, is_told: bool) -> None:
    await world.change("front", id_token_profile=is_told)
    answer = await answered(world, response_type="id_token token", scope="openid email")
    assert ("email" in claims_of(answer["id_token"])) == is_told
    assert (await userinfo(world, answer["access_token"])).json()["email"] == "erin@example.test"


@pytest.mark.parametrize("response_type", ["code id_token", "code id_token token"])
async def test_the_two_id_tokens_are_about_the_same_person(world: World, response_type: str) -> None:
    answer = await answered(world, response_type=response_type, scope="openid email", nonce="n-1")
    first = claims_of(answer["id_token"])
    second = claims_of((await redeemed(world, answer["code"]))["id_token"])
    for name in ("iss", "sub", "aud", "nonce", "sid", "auth_time"):
        assert first[name] == second[name]
    assert "email" not in first and second["email"] == "erin@example.test"


# ------------------------------------------------------------ front-channel access tokens


@pytest.mark.parametrize("response_type", WITH_TOKEN)
async def test_a_token_for_an_api_names_it_and_never_offline_access(world: World, response_type: str) -> None:
    answer = await answered(world, response_type=response_type, **API)
    claims = claims_of(answer["access_token"])
    assert TIMESHEETS in claims["aud"] and claims["client_id"] == "front"
    assert answer["scope"] == claims["scope"] == "openid profile read:timesheets"
    assert "refresh_token" not in answer and not tables(world).refresh_families


@pytest.mark.parametrize("response_type", WITH_TOKEN)
@pytest.mark.parametrize("audience", [None, TIMESHEETS])
async def test_it_lives_shorter_than_one_of_the_token_endpoint(
    world: World, response_type: str, audience: str | None
) -> None:
    answer = await answered(world, response_type=response_type, audience=audience)
    assert answer["expires_in"] == "300"
    world.clock.advance(seconds=299)
    assert (await userinfo(world, answer["access_token"])).status_code == 200
    world.clock.advance(seconds=1)
    assert (await userinfo(world, answer["access_token"])).status_code == 401


@pytest.mark.parametrize("response_type", WITH_TOKEN)
async def test_it_never_outlives_what_the_api_allows(world: World, response_type: str) -> None:
    api = rows(world)["apis"][TIMESHEETS]
    brief = msgspec.structs.replace(api, access_token_lifetime=timedelta(seconds=60))
    await world.services.store.apis.replace(brief, events=())
    await world.services.registry.refresh()
    answer = await answered(world, response_type=response_type, audience=TIMESHEETS)
    claims = claims_of(answer["access_token"])
    assert (answer["expires_in"], claims["exp"] - claims["iat"]) == ("60", 60)


@pytest.mark.parametrize("audience", [None, TIMESHEETS])
@pytest.mark.parametrize("response_type", ["code token", "code id_token token"])
async def test_it_is_another_than_the_one_that_the_code_brings(
    world: World, response_type: str, audience: str | None
) -> None:
    answer = await answered(world, response_type=response_type, audience=audience)
    second = await redeemed(world, answer["code"])
    assert second["access_token"] != answer["access_token"]
    assert second["expires_in"] == 900
    for token in (answer["access_token"], second["access_token"]):
        assert (await userinfo(world, token)).status_code == 200


async def test_with_a_code_offline_access_brings_its_refresh_token_from_the_token_endpoint(
    world: World,
) -> None:
    answer = await answered(world, response_type="code id_token token", **API)
    second = await redeemed(world, answer["code"])
    assert "offline_access" in second["scope"] and "refresh_token" in second


@pytest.mark.parametrize("response_type", ["id_token", "id_token token"])
async def test_without_a_code_offline_access_is_ignored(world: World, response_type: str) -> None:
    await answered(world, response_type=response_type, **API)
    [grant] = tables(world).grants.values()
    assert "offline_access" not in grant.scope and not tables(world).refresh_families


# ------------------------------------------------------------ what is stored


@pytest.mark.parametrize("audience", [None, TIMESHEETS])
@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_everything_stands_on_one_grant_made_in_one_transition(
    world: World, response_type: str, audience: str | None
) -> None:
    visitor = Visitor(world)
    await visitor.authorize(**asked())
    await visitor.sign_in()
    before = rows(world)
    counters = world.services.store.counters  # type: ignore[attr-defined]
    transitions = counters.transitions
    await visitor.authorize(**asked(response_type=response_type, audience=audience))
    answer = delivered(visitor.response)
    assert counters.transitions - transitions == 1
    after = rows(world)
    added = {name: len(after[name]) - len(before[name]) for name in ("grants", "codes", "access_tokens")}
    has_opaque = "access_token" in answer and audience is None
    assert added == {"grants": 1, "codes": int("code" in answer), "access_tokens": int(has_opaque)}


@pytest.mark.parametrize("response_type", WITH_TOKEN)
async def test_an_api_with_opaque_tokens_gets_one_here_too(world: World, response_type: str) -> None:
    api = msgspec.structs.replace(rows(world)["apis"][TIMESHEETS], token_format="opaque")
    await world.services.store.apis.replace(api, events=())
    await world.services.registry.refresh()
    answer = await answered(world, response_type=response_type, audience=TIMESHEETS)
    assert answer["access_token"].startswith("ik_at_") and answer["expires_in"] == "300"
    asking = {"token": answer["access_token"]}
    told = (await world.http().post("/oauth/introspect", data=asking, headers=basic("front"))).json()
    assert (told["active"], told["sub"]) == (True, "ik|erin") and TIMESHEETS in told["aud"]
    assert told["exp"] - told["iat"] == 300


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_the_event_says_what_left(world: World, response_type: str) -> None:
    await answered(world, response_type=response_type, audience=TIMESHEETS, scope="openid read:timesheets")
    told = world.heard.events[-1]
    [grant_id] = tables(world).grants
    if "code" in response_type:
        assert isinstance(told, CodeIssued)
        assert (told.grant_id, told.response_type) == (grant_id, response_type)
    else:
        assert isinstance(told, GrantOpened)
        assert (told.grant_id, told.grant_type, told.api) == (grant_id, "implicit", TIMESHEETS)
    assert told.scope == "openid read:timesheets"
    assert told.client_id == "front" and told.user_id == "ik|erin"


@pytest.mark.parametrize("audience", [None, TIMESHEETS])
@pytest.mark.parametrize("response_type", WITH_TOKEN)
@pytest.mark.parametrize("end", ["person", "app", "grant", "token"])
async def test_what_ends_the_grant_ends_the_token(
    world: World, response_type: str, audience: str | None, end: str
) -> None:
    answer = await answered(world, response_type=response_type, audience=audience)
    token = answer["access_token"]
    assert (await userinfo(world, token)).status_code == 200
    match end:
        case "person":
            await world.change_user("erin", is_enabled=False)
        case "app":
            await world.change("front", is_enabled=False)
        case "grant":
            [grant_id] = tables(world).grants
            await world.services.store.grants.revoke(grant_id, now=world.clock.now(), events=())
        case _:
            revoked = await world.http().post("/oauth/revoke", data={"token": token}, headers=basic("front"))
            assert revoked.status_code == 200
    assert (await userinfo(world, token)).status_code == 401


# ------------------------------------------------------------ what moves meanwhile


@pytest.mark.parametrize("response_type", ["code id_token", "id_token token"])
async def test_a_decision_that_was_overtaken_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch, response_type: str
) -> None:
    noun, name = (
        (world.services.store.codes, "issue")
        if "code" in response_type
        else (world.services.store.grants, "open")
    )
    real, calls = getattr(noun, name), 0

    async def overtaken(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return Stale() if calls == 1 else await real(*given, **named)

    monkeypatch.setattr(noun, name, overtaken)
    assert "id_token" in await answered(world, response_type=response_type)
    assert calls == 2 and len(tables(world).grants) == 1


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_what_keeps_changing_is_given_up_in_the_mode_of_the_request(
    world: World, monkeypatch: pytest.MonkeyPatch, response_type: str
) -> None:
    async def always(*given: Any, **named: Any) -> Any:
        return Stale()

    monkeypatch.setattr(world.services.store.codes, "issue", always)
    monkeypatch.setattr(world.services.store.grants, "open", always)
    answer = await answered(world, response_type=response_type, response_mode="form_post")
    assert answer["error"] == "temporarily_unavailable" and "id_token" not in answer


# ------------------------------------------------------------ the operator's hook


def ruled(answer: Callable[[PreToken], Claims | None]) -> Hooks:
    async def pre_token(request: PreToken) -> Claims | None:
        return answer(request)

    return Hooks(pre_token=pre_token)


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_the_hook_is_asked_about_what_leaves_by_the_browser(response_type: str) -> None:
    seen: list[PreToken] = []

    def answer(request: PreToken) -> Claims:
        seen.append(request)
        return Claims(access_token={"https://x.test/a": 1}, id_token={"https://x.test/i": 2})

    world = await a_front_world(hooks=ruled(answer))
    given = await answered(world, response_type=response_type, audience=TIMESHEETS)
    assert [request.grant_type for request in seen] == ["implicit"]
    if "id_token" in given:
        assert claims_of(given["id_token"])["https://x.test/i"] == 2
    if "access_token" in given:
        assert claims_of(given["access_token"])["https://x.test/a"] == 1


@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_what_the_hook_refuses_does_not_leave(response_type: str) -> None:
    def answer(request: PreToken) -> Claims:
        raise Denied("Not today.")

    world = await a_front_world(hooks=ruled(answer))
    given = await answered(world, response_type=response_type)
    assert (given["error"], given["error_description"]) == ("access_denied", "Not today.")
    assert not tables(world).grants


async def test_a_plain_code_is_left_to_the_token_endpoint() -> None:
    def answer(request: PreToken) -> Claims:
        raise Denied("Not today.")

    world = await a_front_world(hooks=ruled(answer))
    assert "code" in await answered(world)


async def test_a_hook_cannot_take_half_of_the_answer() -> None:
    world = await a_front_world(hooks=ruled(lambda request: Claims(scope=("profile",))))
    given = await answered(world, response_type="id_token token")
    assert given["error"] == "access_denied" and not tables(world).grants


async def test_scopes_that_the_hook_took_are_gone_from_the_grant() -> None:
    world = await a_front_world(hooks=ruled(lambda request: Claims(scope=("openid",))))
    given = await answered(world, response_type="id_token token", scope="openid email")
    [grant] = tables(world).grants.values()
    assert given["scope"] == "openid" and grant.scope == ("openid",)


async def test_a_refused_request_leaves_no_row(world: World) -> None:
    visitor = Visitor(world)
    with no_row(world):
        await visitor.authorize(**asked(response_type="id_token token", prompt="none"))
    assert delivered(visitor.response)["error"] == "login_required"
