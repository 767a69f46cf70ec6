"""The device flow from both ends, in one process: what the television is told and what the person sees."""

from __future__ import annotations

import re
from typing import Any

import pytest

from innkeeper.server.config import Lifetimes
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ClientId, Subject
from tests.attacks.oracles import is_html, is_json_error, is_page, no_row
from tests.attacks.token_requests import tables
from tests.refreshing import set_api
from tests.television import (
    DEVICE_GRANT,
    TV_ORIGIN,
    Phone,
    a_living_room,
    ask,
    only_device,
    poll,
    shown,
    tokens,
)
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_living_room()


# ------------------------------------------------------------ the television


async def test_the_answer_has_all_six_members(world: World) -> None:
    codes = await shown(world)
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    assert codes["verification_uri"] == f"{world.issuer}/device"
    assert codes["verification_uri_complete"] == f"{world.issuer}/device?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (900, 5)
    assert codes["device_code"].startswith("ik_dc_")
    assert codes.keys() == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"
    }  # fmt: skip


async def test_neither_code_is_in_the_store_or_the_events(world: World) -> None:
    codes = await shown(world)
    kept = repr(only_device(world))
    letters = codes["user_code"].replace("-", "")
    for secret in (codes["device_code"], codes["user_code"], letters):
        assert secret not in kept
        assert secret not in repr(world.heard.events)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "web"}, (401, "invalid_client")),
        ({"client_id": "native"}, (400, "unauthorized_client")),
        ({"client_id": None}, (401, "invalid_client")),
        ({"audience": "https://nowhere.example"}, (400, "invalid_target")),
        ({"scope": "a\x0bb"}, (400, "invalid_request")),
        ({"scope": 'say "hi"'}, (400, "invalid_scope")),
    ],
)
async def test_a_wrong_request_is_refused_and_leaves_nothing(
    world: World, form: dict[str, Any], error: tuple[int, str]
) -> None:
    with no_row(world):
        is_json_error(await ask(world, **form), *error)


async def test_a_parameter_sent_twice_is_refused(world: World) -> None:
    body = "client_id=tv&scope=openid&scope=profile"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    with no_row(world):
        answer = await world.http().post("/oauth/device/code", content=body, headers=headers)
        is_json_error(answer, 400, "invalid_request")


async def test_it_may_ask_in_json(world: World) -> None:
    answer = await world.http().post("/oauth/device/code", json={"client_id": "tv", "scope": "openid"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


async def test_without_a_scope_the_api_says_what_it_asks_for(world: World) -> None:
    await set_api(world, default_scope=("read:timesheets",))
    codes = await shown(world, scope=None)
    await Phone(world).connect(codes)
    answer = (await poll(world, codes)).json()
    assert answer["scope"] == "read:timesheets"
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}


async def test_polling_is_pending_then_slower_then_answered(world: World) -> None:
    codes = await shown(world)
    is_json_error(await poll(world, codes), 400, "authorization_pending")
    world.clock.advance(seconds=1)
    is_json_error(await poll(world, codes), 400, "slow_down")
    world.clock.advance(seconds=5)
    is_json_error(await poll(world, codes), 400, "slow_down")
    world.clock.advance(seconds=15)
    is_json_error(await poll(world, codes), 400, "authorization_pending")
    await Phone(world).connect(codes)
    answer = await poll(world, codes)
    assert answer.status_code == 200
    assert answer.json().keys() == {
        "access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token"
    }  # fmt: skip
    is_json_error(await poll(world, codes), 400, "invalid_grant")


async def test_a_poll_in_time_is_no_event(world: World) -> None:
    codes = await shown(world)
    before = len(world.heard.events)
    await poll(world, codes)
    assert len(world.heard.events) == before
    await poll(world, codes)
    assert world.heard.types()[before:] == ["token.refused"]


async def test_a_poll_is_one_read_and_one_transition(world: World) -> None:
    codes = await shown(world)
    counters = world.services.store.counters  # type: ignore[attr-defined]
    reads, transitions = counters.reads, counters.transitions
    await poll(world, codes)
    assert (counters.reads - reads, counters.transitions - transitions) == (1, 1)
    await Phone(world).connect(codes)
    reads, transitions = counters.reads, counters.transitions
    assert (await poll(world, codes)).status_code == 200
    assert (counters.reads - reads, counters.transitions - transitions) == (1, 1)


async def test_a_used_code_that_comes_again_harms_nobody(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    answer = (await poll(world, codes)).json()
    is_json_error(await poll(world, codes), 400, "invalid_grant")
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "client_id": "tv"}
    assert (await world.http().post("/oauth/token", data=form)).status_code == 200


async def test_expiry_is_told_once(world: World) -> None:
    codes = await shown(world)
    world.clock.advance(seconds=900)
    is_json_error(await poll(world, codes), 400, "expired_token")
    is_json_error(await poll(world, codes), 400, "invalid_grant")


async def test_a_refusal_is_told_until_the_code_has_expired(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    await phone.submit("device-deny")
    assert str(phone.response.request.url).endswith("/device/refused")
    for _ in range(2):
        is_json_error(await poll(world, codes), 400, "access_denied")
    world.clock.advance(seconds=900)
    is_json_error(await poll(world, codes), 400, "invalid_grant")


async def test_rights_that_ended_before_the_poll_end_the_device_too(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    await world.change_user("erin", is_enabled=False)
    is_json_error(await poll(world, codes), 400, "invalid_grant")


async def test_a_permission_taken_away_before_the_poll_is_not_given(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    await world.change_user("erin", roles=())
    assert "read:timesheets" not in (await poll(world, codes)).json()["scope"]


async def test_a_full_living_room_is_told_to_wait(world: World) -> None:
    for _ in range(world.services.settings.device.starts_per_address):
        await shown(world)
    with no_row(world):
        answer = await ask(world)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert "retry-after" in answer.headers
    assert (await ask(world, address="192.0.2.99")).status_code == 200


async def test_a_television_that_is_a_browser_may_read_the_answers_of_its_own_origin(world: World) -> None:
    answer = await ask(world, headers={"origin": TV_ORIGIN})
    assert answer.headers["access-control-allow-origin"] == TV_ORIGIN
    elsewhere = await ask(world, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in elsewhere.headers
    preflight = await world.http().options("/oauth/device/code", headers={"origin": TV_ORIGIN})
    assert preflight.headers["access-control-allow-origin"] == TV_ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]


# ------------------------------------------------------------ the person


async def test_the_code_page_says_what_it_wants(world: World) -> None:
    phone = Phone(world)
    page = is_html(await phone.get("/device"), status=200)
    assert "device-code" in page.ids
    is_html(await phone.submit("device-continue", user_code=""), status=400)
    assert "Please enter the code" in phone.response.text
    is_html(await phone.submit("device-continue", user_code="BCDF-GHJK"), status=404)
    assert "No device is waiting with this code" in phone.response.text


async def test_the_question_names_code_app_and_address(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    page = is_html(await phone.enter(codes["user_code"].lower().replace("-", " ")), status=200)
    assert {"device-confirm", "device-deny"} <= page.ids
    for text in (codes["user_code"], "Tv", "192.0.2.20", "Did you start this?"):
        assert text in phone.response.text


async def test_the_complete_link_skips_the_typing_and_nothing_else(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    with no_row(world):
        await phone.get(codes["verification_uri_complete"].removeprefix(world.issuer))
    assert {"device-confirm", "device-deny"} <= phone.page.ids
    is_json_error(await poll(world, codes), 400, "authorization_pending")


async def test_another_site_cannot_guess_with_its_visitors(world: World) -> None:
    for _ in range(20):
        headers = {"sec-fetch-dest": "image", "sec-fetch-site": "cross-site"}
        answer = await world.http().get("/device?user_code=BCDF-GHJK", headers=headers)
        assert answer.status_code == 200
    assert not tables(world).throttles


async def test_consent_shows_the_code_and_the_boxes(world: World) -> None:
    await set_api(world, skip_consent=False)
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    await phone.submit("device-confirm")
    await phone.sign_in()
    page = is_html(phone.response, status=200)
    assert {"openid", "profile", "read:timesheets", "offline_access"} == set(page.scopes)
    assert codes["user_code"] in phone.response.text
    assert "Keep access when you are away" in phone.response.text
    await phone.submit("consent-allow", untick=("offline_access",))
    assert str(phone.response.request.url).endswith("/device/connected")
    answer = (await poll(world, codes)).json()
    assert "refresh_token" not in answer
    assert "read:timesheets" in answer["scope"]


async def test_denying_at_the_consent_page_tells_the_device(world: World) -> None:
    await set_api(world, skip_consent=False)
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    await phone.submit("device-confirm")
    await phone.sign_in()
    await phone.submit("consent-deny")
    assert str(phone.response.request.url).endswith("/device/refused")
    is_json_error(await poll(world, codes), 400, "access_denied")


async def test_cancelling_the_sign_in_tells_the_device(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    await phone.submit("device-confirm")
    await phone.submit("login-cancel")
    is_json_error(await poll(world, codes), 400, "access_denied")


async def test_consent_is_asked_once_and_the_question_every_time(world: World) -> None:
    await set_api(world, skip_consent=False)
    await tokens(world)
    codes = await shown(world)
    phone = Phone(world)
    await phone.authorize()
    await phone.sign_in()
    await phone.enter(codes["user_code"])
    assert "device-confirm" in phone.page.ids
    await phone.submit("device-confirm")
    assert str(phone.response.request.url).endswith("/device/connected")
    assert (await poll(world, codes)).status_code == 200


async def test_who_is_signed_in_is_shown_and_can_be_somebody_else(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.authorize()
    await phone.sign_in("mona")
    await phone.enter(codes["user_code"])
    assert "Mona Example" in phone.response.text
    switch = re.search(r'href="(/sign-in\?switch=1[^"]*)"', phone.response.text)
    assert switch is not None
    await phone.get(switch[1].replace("&amp;", "&"))
    await phone.sign_in("erin")
    assert "device-confirm" in phone.page.ids
    assert "Erin Example" in phone.response.text
    await phone.submit("device-confirm")
    answer = (await poll(world, codes)).json()
    info = await world.http().get("/userinfo", headers={"authorization": f"Bearer {answer['access_token']}"})
    assert info.json()["sub"] == "ik|erin"


async def test_who_signed_in_meanwhile_in_another_tab_is_asked_themselves(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    before = phone.response
    await phone.authorize()
    await phone.sign_in("mona")
    phone.response = before
    with no_row(world):
        await phone.submit("device-confirm")
    assert "Mona Example" in phone.response.text and "device-confirm" in phone.page.ids
    is_json_error(await poll(world, codes), 400, "authorization_pending")


async def test_a_confirmation_before_sign_in_is_not_anothers_who_signs_in_elsewhere(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    await phone.submit("device-confirm")
    assert "login-submit" in phone.page.ids
    sign_in = str(phone.response.request.url)
    await phone.authorize()
    await phone.sign_in("mona")
    await phone.get(sign_in.removeprefix(world.issuer))
    assert "device-confirm" in phone.page.ids
    is_json_error(await poll(world, codes), 400, "authorization_pending")


async def test_an_expired_code_is_a_page_that_starts_again(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    world.clock.advance(seconds=901)
    is_page(await phone.submit("device-confirm"), status=404)
    assert 'href="/device"' in phone.response.text


async def test_an_interaction_that_is_too_old_leads_back_to_the_code(world: World) -> None:
    world = await a_living_room(lifetimes=Lifetimes(device_code_s=86_400))
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    world.clock.advance(hours=2)
    is_page(await phone.submit("device-confirm"))
    assert 'href="/device"' in phone.response.text


async def test_back_after_the_answer_is_a_page_and_changes_nothing(world: World) -> None:
    await set_api(world, skip_consent=False)
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    before = phone.response
    await phone.submit("device-confirm")
    await phone.sign_in()
    await phone.submit("consent-allow")
    phone.response = before
    with no_row(world):
        is_page(await phone.submit("device-confirm"), status=404)
    assert (await poll(world, codes)).status_code == 200


async def test_what_the_app_may_not_have_any_more_is_told_to_the_device(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    await set_api(world, user_access="none")
    await phone.submit("device-confirm")
    is_json_error(await poll(world, codes), 400, "access_denied")


async def test_an_app_that_was_disabled_has_no_device_any_more(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await world.change("tv", is_enabled=False)
    with no_row(world):
        is_page(await phone.enter(codes["user_code"]), status=404)


async def test_a_third_party_is_called_external(world: World) -> None:
    await world.change(
        "tv",
        is_first_party=False,
        publisher="TV Ltd",
        api_grants=(ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),),
    )
    codes = await shown(world)
    phone = Phone(world)
    await phone.enter(codes["user_code"])
    assert "External app" in phone.response.text and "TV Ltd" in phone.response.text


async def test_the_grant_remembers_how_the_person_signed_in(world: World) -> None:
    await tokens(world)
    [grant] = tables(world).grants.values()
    assert (grant.user_id, grant.client_id, grant.amr) == (Subject("ik|erin"), ClientId("tv"), ("pwd",))
    assert {"device.started", "device.approved", "device.redeemed"} <= set(world.heard.types())


async def test_pages_without_an_answer_stay_as_they_are(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    assert "device-code" in (await phone.get("/device/confirm"), phone.page.ids)[1]
    await phone.enter(codes["user_code"])
    page = phone.page
    page_fields = dict(page.fields)
    answer = await phone.http.post("/device/confirm", data=page_fields, headers={"origin": world.issuer})
    assert "device-confirm" in answer.text


async def test_the_sign_in_of_other_apps_is_as_before(world: World) -> None:
    visitor = Visitor(world)
    assert await visitor.code()


def test_the_grant_type_has_its_registered_name() -> None:
    assert DEVICE_GRANT == "urn:ietf:params:oauth:grant-type:device_code"
