"""Refresh tokens: theft is noticed, retries are forgiven, rights are those of today (RFC 6749 §6, RFC 9700 §4.14)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ClientId, Subject
from tests.attacks.oracles import is_json_error, keeps_secrets, no_row, rows, still_works
from tests.attacks.token_requests import (
    delete_client,
    delete_person,
    disable_client,
    disable_person,
    end_person,
    revoke_consent,
    tables,
    userinfo,
)
from tests.refreshing import (
    REFUSED,
    a_refresh_token,
    a_refreshing_world,
    families,
    is_refused,
    may_refresh,
    refresh,
    refreshed,
    revoke,
    set_api,
    signed_in,
)
from tests.visitor import Visitor
from tests.world import PAYROLL, TIMESHEETS, World, basic

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_refreshing_world()


# ------------------------------------------------------------ RT-01, RT-02: reuse


async def test_RT_01_an_old_token_outside_the_overlap_ends_the_whole_family(world: World) -> None:
    first = await signed_in(world)
    second = await refreshed(world, first["refresh_token"])
    world.clock.advance(seconds=10)
    is_refused(await refresh(world, first["refresh_token"]))
    is_refused(await refresh(world, second["refresh_token"]))
    for tokens in (first, second):
        assert (await userinfo(world, tokens["access_token"])).status_code == 401
    await still_works(world)


async def test_RT_01_with_no_overlap_an_old_token_is_reuse_at_once(world: World) -> None:
    await may_refresh(world, "web", overlap=timedelta())
    first = await a_refresh_token(world)
    second = await refreshed(world, first)
    is_refused(await refresh(world, first))
    is_refused(await refresh(world, second["refresh_token"]))


async def test_RT_01_a_token_two_generations_old_is_reuse_even_inside_the_overlap(world: World) -> None:
    first = await a_refresh_token(world)
    second = (await refreshed(world, first))["refresh_token"]
    third = (await refreshed(world, second))["refresh_token"]
    is_refused(await refresh(world, first))
    is_refused(await refresh(world, third))


async def test_RT_01_the_overlap_ends_when_the_successor_is_used(world: World) -> None:
    """Of the tokens before the living one only the last is forgiven."""
    first = await a_refresh_token(world)
    second = (await refreshed(world, first))["refresh_token"]
    await refreshed(world, second)
    is_refused(await refresh(world, first))
    assert "refresh.reused" in world.heard.types()


@pytest.mark.parametrize("thief_first", [True, False])
async def test_RT_02_whoever_is_second_ends_it_for_both(world: World, thief_first: bool) -> None:
    stolen = await a_refresh_token(world)
    thief, victim = "198.51.100.66", "203.0.113.7"
    order = (thief, victim) if thief_first else (victim, thief)
    won = await refreshed(world, stolen, address=order[0])
    world.clock.advance(seconds=11)
    is_refused(await refresh(world, stolen, address=order[1]))
    is_refused(await refresh(world, won["refresh_token"], address=order[0]))
    told = [event for event in world.heard.events if event.type == "refresh.reused"]
    assert [event.ip for event in told] == [order[1]]
    audited = [row.type for row in await world.services.store.audit_rows()]  # type: ignore[attr-defined]
    assert audited.count("refresh.reused") == 1
    keeps_secrets(world, stolen, won["refresh_token"])


# ------------------------------------------------------------ RT-04, RT-05: never wider


@pytest.mark.parametrize(
    "scope", ["delete:timesheets", "openid profile email", "read:timesheets approve:timesheets", "unheard:of"]
)
async def test_RT_04_a_scope_beyond_the_grant_is_refused_and_uses_nothing(world: World, scope: str) -> None:
    token = await a_refresh_token(world)
    with no_row(world):
        is_json_error(await refresh(world, token, scope=scope), 400, "invalid_scope")
    await refreshed(world, token)


async def test_RT_04_a_narrower_scope_is_for_one_access_token_only(world: World) -> None:
    token = await a_refresh_token(world)
    narrow = await refreshed(world, token, scope="openid read:timesheets")
    assert narrow["scope"].split() == ["openid", "read:timesheets"]
    whole = await refreshed(world, narrow["refresh_token"])
    assert {"create:timesheets", "profile", "offline_access"} <= set(whole["scope"].split())


async def permissions_gone(world: World) -> None:
    await world.change_user("erin", roles=())


async def scope_undefined(world: World) -> None:
    api = await world.services.store.apis.get(TIMESHEETS)
    assert api is not None
    await set_api(world, scopes=tuple(scope for scope in api.scopes if scope.value != "create:timesheets"))


async def ceiling_lowered(world: World) -> None:
    await world.change("web", api_grants=(ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),))


@pytest.mark.parametrize("change", [permissions_gone, scope_undefined, ceiling_lowered])
async def test_RT_04_what_was_taken_away_since_is_not_given_again(world: World, change: Any) -> None:
    token = await a_refresh_token(world)
    await change(world)
    answer = await refreshed(world, token)
    assert "create:timesheets" not in answer["scope"].split()
    again = await refreshed(world, answer["refresh_token"], scope="openid create:timesheets")
    assert again["scope"] == "openid"


@pytest.mark.parametrize("name", ["resource", "audience"])
async def test_RT_05_another_api_is_an_invalid_target(world: World, name: str) -> None:
    token = await a_refresh_token(world)
    with no_row(world):
        for api in (PAYROLL, "https://nobody.example.test"):
            is_json_error(await refresh(world, token, **{name: api}), 400, "invalid_target")
    await refreshed(world, token, **{name: TIMESHEETS})


async def test_RT_05_a_grant_without_an_api_never_gains_one(world: World) -> None:
    token = await a_refresh_token(world, audience=None, scope="openid offline_access")
    is_json_error(await refresh(world, token, resource=TIMESHEETS), 400, "invalid_target")
    answer = await refreshed(world, token)
    assert answer["access_token"].startswith("ik_at_")


# ------------------------------------------------------------ RT-07, RT-08, RT-10: the overlap


async def test_RT_07_a_retry_gets_the_same_successor_and_no_new_row(world: World) -> None:
    token = await a_refresh_token(world)
    first = await refreshed(world, token)
    world.clock.advance(seconds=9)
    second = await refreshed(world, token)
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert len(families(world)) == 1
    await refreshed(world, second["refresh_token"])
    assert "refresh.overlapped" in world.heard.types()


async def test_RT_07_the_overlap_answers_twenty_times_and_no_more(world: World) -> None:
    token = await a_refresh_token(world)
    answers = [await refreshed(world, token) for _ in range(21)]
    [successor] = {answer["refresh_token"] for answer in answers}
    with no_row(world):
        is_refused(await refresh(world, token))
    assert world.heard.types()[-2:] == ["refresh.overlap_spent", "token.refused"]
    await refreshed(world, successor)
    is_refused(await refresh(world, token))
    assert "refresh.reused" in world.heard.types()


async def test_RT_07_a_retry_has_the_rights_of_today(world: World) -> None:
    token = await a_refresh_token(world)
    await refreshed(world, token)
    await permissions_gone(world)
    assert "read:timesheets" not in (await refreshed(world, token))["scope"]


async def test_RT_08_a_token_that_was_revoked_has_no_overlap(world: World) -> None:
    token = await a_refresh_token(world)
    successor = (await refreshed(world, token))["refresh_token"]
    assert (await revoke(world, successor)).status_code == 200
    for member in (token, successor):
        is_refused(await refresh(world, member))


async def test_RT_10_a_retry_from_another_address_is_answered_and_told(world: World) -> None:
    token = await a_refresh_token(world)
    first = await refreshed(world, token)
    second = await refreshed(world, token, address="198.51.100.5")
    assert second["refresh_token"] == first["refresh_token"]
    [told] = [event for event in world.heard.events if event.type == "refresh.overlapped"]
    assert told.ip == "198.51.100.5"


# ------------------------------------------------------------ RT-11: what ends it


async def offline_forbidden(world: World) -> None:
    await set_api(world, allow_offline_access=False)


async def api_deleted(world: World) -> None:
    await world.services.store.apis.delete(TIMESHEETS, events=())
    await world.services.registry.refresh()


@pytest.mark.parametrize(
    "ending",
    [
        disable_person,
        end_person,
        delete_person,
        disable_client,
        delete_client,
        revoke_consent,
        offline_forbidden,
        api_deleted,
    ],
)
async def test_RT_11_nothing_is_renewed_after(world: World, ending: Any) -> None:
    token = await a_refresh_token(world)
    await ending(world)
    answer = await refresh(world, token)
    assert answer.status_code in (400, 401), answer.text
    assert answer.json()["error"] in ("invalid_grant", "invalid_client")


async def test_RT_11_an_app_that_lost_the_grant_type_renews_nothing(world: World) -> None:
    token = await a_refresh_token(world)
    await world.change("web", grant_types=("authorization_code",))
    is_json_error(await refresh(world, token), 400, "unauthorized_client")


async def test_RT_11_what_ended_cannot_come_back_by_an_overlap(world: World) -> None:
    token = await a_refresh_token(world)
    await refreshed(world, token)
    await end_person(world)
    is_refused(await refresh(world, token))


# ------------------------------------------------------------ RT-13, RT-14, RT-17


async def test_RT_13_reuse_in_a_family_of_ten_thousand_costs_what_it_costs_in_one_of_two(
    world: World,
) -> None:
    token = await a_refresh_token(world)
    await refreshed(world, token)
    [family] = families(world)
    tables(world).refresh_families[family.key] = replace(family, generation=10_000)
    counters = world.services.store.counters  # type: ignore[attr-defined]
    before = (counters.reads, counters.transitions)
    is_refused(await refresh(world, token))
    assert (counters.reads - before[0], counters.transitions - before[1]) == (1, 1)


async def test_RT_14_a_refresh_token_is_no_access_token(world: World) -> None:
    token = await a_refresh_token(world)
    answer = await userinfo(world, token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
async def test_RT_14_no_other_token_is_a_refresh_token(world: World, kind: str) -> None:
    tokens = await signed_in(world)
    opaque = await signed_in(world, audience=None, scope="openid offline_access")
    with no_row(world):
        is_refused(await refresh(world, tokens[kind]))
        is_refused(await refresh(world, opaque[kind]))
        is_refused(await refresh(world, opaque["access_token"].replace("ik_at_", "ik_rt_")))


async def test_RT_17_an_app_cannot_turn_public_and_keep_its_tokens(world: World) -> None:
    with pytest.raises(Refused):
        await clients.change(world.services, "web", clients.ClientChanges(token_endpoint_auth_method="none"))
    token = await a_refresh_token(world)
    with no_row(world):
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "web"}
        is_json_error(await world.http().post("/oauth/token", data=form), 401, "invalid_client")
    await refreshed(world, token)


# ------------------------------------------------------------ strangers and bytes


async def test_another_apps_refresh_token_changes_nothing_but_the_log(world: World) -> None:
    token = await a_refresh_token(world)
    with no_row(world):
        is_refused(await refresh(world, token, "other"))
    assert world.heard.events[-1].type == "token.refused"
    await refreshed(world, token)


async def test_another_apps_old_token_is_no_lever_against_its_owner(world: World) -> None:
    token = await a_refresh_token(world)
    successor = (await refreshed(world, token))["refresh_token"]
    world.clock.advance(seconds=30)
    is_refused(await refresh(world, token, "other"))
    await refreshed(world, successor)


async def test_IN_16_a_refresh_token_with_any_byte_changed_is_refused_without_a_read(world: World) -> None:
    token = await a_refresh_token(world)
    counters = world.services.store.counters  # type: ignore[attr-defined]
    before = counters.reads
    with no_row(world):
        for position in range(6, len(token), 5):
            other = "A" if token[position] != "A" else "B"
            is_refused(await refresh(world, token[:position] + other + token[position + 1 :]))
        for text in (token[:-1], token + "A", token[:6], "ik_rt_" + "A" * 104, token.lower(), token + "="):
            is_refused(await refresh(world, text))
    assert counters.reads == before


async def test_a_token_of_a_generation_that_the_database_forgot_has_its_own_event(world: World) -> None:
    """A backup was restored: nobody can tell who used what, so nothing goes on."""
    token = await a_refresh_token(world)
    before = rows(world)["refresh_families"]
    newer = (await refreshed(world, token))["refresh_token"]
    tables(world).refresh_families.update(before)
    is_refused(await refresh(world, newer))
    assert "refresh.ahead" in world.heard.types() and "refresh.reused" not in world.heard.types()
    is_refused(await refresh(world, token))


async def test_twenty_at_once_are_one_rotation_and_all_get_the_same(world: World) -> None:
    token = await a_refresh_token(world)
    answers = await asyncio.gather(*(refreshed(world, token) for _ in range(20)))
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert world.heard.types().count("refresh.rotated") == 1
    await refreshed(world, answers[0]["refresh_token"])


async def test_the_words_that_browser_libraries_look_for_are_in_the_error(world: World) -> None:
    assert "invalid refresh token" in REFUSED
    form = {"grant_type": "refresh_token"}
    is_json_error(
        await world.http().post("/oauth/token", data=form, headers=basic("web")), 400, "invalid_request"
    )


# ------------------------------------------------------------ offline_access (OIDC Core §11)


async def test_without_offline_access_there_is_no_refresh_token(world: World) -> None:
    assert "refresh_token" not in await signed_in(world, scope="openid read:timesheets")
    assert families(world) == []


@pytest.mark.parametrize("why", ["the API forbids it", "the app has no such grant type"])
async def test_offline_access_is_left_out_when(world: World, why: str) -> None:
    if why == "the API forbids it":
        await set_api(world, allow_offline_access=False)
    else:
        await world.change("web", grant_types=("authorization_code",))
    answer = await signed_in(world)
    assert "refresh_token" not in answer and "offline_access" not in answer["scope"].split()


async def test_a_third_party_is_asked_for_offline_access_and_the_box_can_be_unticked(world: World) -> None:
    ask: dict[str, Any] = {
        "client_id": "paycheck", "audience": TIMESHEETS, "scope": "openid read:timesheets offline_access"
    }  # fmt: skip
    visitor = Visitor(world)
    await visitor.authorize(**ask)
    await visitor.sign_in()
    assert visitor.page.scopes == ["openid", "read:timesheets", "offline_access"]
    await visitor.submit("consent-allow", untick=("offline_access",))
    assert "code" in visitor.answer()
    [code] = tables(world).codes.values()
    assert "offline_access" not in tables(world).grants[code.code.grant_id].scope


async def test_offline_access_without_an_api_is_none_to_an_api(world: World) -> None:
    visitor = Visitor(world)
    await visitor.code("erin", client_id="paycheck", scope="openid offline_access")
    consents = await world.services.store.consents.of(Subject("ik|erin"), ClientId("paycheck"))
    assert {consent.api: set(consent.scope) for consent in consents} == {None: {"openid", "offline_access"}}
    await visitor.authorize(
        client_id="paycheck", audience=TIMESHEETS, scope="openid read:timesheets offline_access"
    )
    assert visitor.page.scopes == ["read:timesheets", "offline_access"]
