"""Attacks on the device flow: foreign codes, impatience, guesses, other people's confirmations, races, forged forms."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.config import DeviceCodes
from innkeeper.server.protocol import user_code
from tests.attacks.oracles import is_html, is_json_error, is_page, keeps_secrets, no_row, still_works
from tests.attacks.token_requests import tables
from tests.refreshing import set_api
from tests.television import DEVICE_GRANT, Phone, a_living_room, ask, only_device, poll, shown
from tests.visitor import BROWSER
from tests.world import PASSWORD, World, basic

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_living_room()


async def at_question(world: World, codes: dict[str, Any], **options: Any) -> Phone:
    phone = Phone(world, **options)
    await phone.enter(codes["user_code"])
    assert "device-confirm" in phone.page.ids
    return phone


# ------------------------------------------------------------ DV-01


@pytest.mark.parametrize("state", ["waiting", "allowed", "refused", "expired"])
async def test_DV_01_a_foreign_device_code_tells_nothing_and_changes_nothing(
    world: World, state: str
) -> None:
    codes = await shown(world)
    if state == "allowed":
        await Phone(world).connect(codes)
    if state == "refused":
        await (await at_question(world, codes)).submit("device-deny")
    if state == "expired":
        world.clock.advance(seconds=900)
    with no_row(world):
        answer = is_json_error(await poll(world, codes, client_id="radio"), 400, "invalid_grant")
        is_json_error(await poll(world, codes, client_id="radio"), 400, "invalid_grant")
    unknown = is_json_error(await poll(world, {"device_code": "ik_dc_nobody"}), 400, "invalid_grant")
    assert answer == unknown
    expected = {
        "waiting": "authorization_pending",
        "allowed": None,
        "refused": "access_denied",
        "expired": "expired_token",
    }
    own = await poll(world, codes)
    assert own.json().get("error") == expected[state]
    keeps_secrets(world, codes["device_code"], codes["user_code"])


@pytest.mark.parametrize("text", ["", "ik_dc_", "ik_ac_" + "A" * 54, "ik_dc_" + "A" * 4000, "BCDF-GHJK", "é"])
async def test_DV_01_what_is_no_device_code_is_refused(world: World, text: str) -> None:
    codes = await shown(world)
    error = "invalid_request" if not text else "invalid_grant"
    with no_row(world):
        is_json_error(await poll(world, {"device_code": text}), 400, error)
        form = {"grant_type": DEVICE_GRANT, "device_code": codes["user_code"], "client_id": "tv"}
        is_json_error(await world.http().post("/oauth/token", data=form), 400, "invalid_grant")


async def test_DV_01_a_device_code_is_no_other_kind_of_secret(world: World) -> None:
    codes = await shown(world)
    secret = codes["device_code"]
    for form in (
        {"grant_type": "authorization_code", "code": secret, "client_id": "spa"},
        {"grant_type": "refresh_token", "refresh_token": secret, "client_id": "tv"},
    ):
        answer = await world.http().post("/oauth/token", data=form)
        assert answer.status_code == 400 and "access_token" not in answer.text
    info = await world.http().get("/userinfo", headers={"authorization": f"Bearer {secret}"})
    assert info.status_code == 401


# ------------------------------------------------------------ DV-02


async def test_DV_02_impatience_is_remembered(world: World) -> None:
    codes = await shown(world)
    is_json_error(await poll(world, codes), 400, "authorization_pending")
    world.clock.advance(seconds=1)
    is_json_error(await poll(world, codes), 400, "slow_down")
    assert only_device(world).device.interval_s == 10
    world.clock.advance(seconds=9)
    is_json_error(await poll(world, codes), 400, "slow_down")
    world.clock.advance(seconds=15)
    is_json_error(await poll(world, codes), 400, "authorization_pending")
    world.clock.advance(seconds=15)
    is_json_error(await poll(world, codes), 400, "authorization_pending")
    world.clock.advance(seconds=5)
    is_json_error(await poll(world, codes), 400, "slow_down")


# ------------------------------------------------------------ DV-04


def test_DV_04_user_codes_are_evenly_drawn_and_hold_no_words() -> None:
    drawn = [user_code.draw(os.urandom(32), alphabet="letters", length=8) for _ in range(100_000)]
    assert len(set(drawn)) > 99_990, "of 2.6 * 10^10, a hundred thousand meet about once in five runs"
    letters = Counter("".join(drawn))
    assert set(letters) == set("BCDFGHJKLMNPQRSTVWXZ")
    expected = 100_000 * 8 / 20
    assert all(abs(count - expected) < 0.05 * expected for count in letters.values())


async def test_DV_04_two_waiting_devices_never_show_the_same_code(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["BCDFGHJK", "BCDFGHJK", "LMNPQRST"])
    monkeypatch.setattr(user_code, "draw", lambda random, **form: next(drawn))
    assert (await shown(world))["user_code"] == "BCDF-GHJK"
    assert (await shown(world))["user_code"] == "LMNP-QRST", "the second device drew again"
    assert len(tables(world).device_codes) == 2


# ------------------------------------------------------------ DV-05


async def test_DV_05_nobody_else_can_look_at_allow_or_refuse_what_somebody_confirmed(world: World) -> None:
    codes = await shown(world)
    bob = await at_question(world, codes, address="198.51.100.5")
    alice = await at_question(world, codes)
    await alice.submit("device-confirm")
    before = bob.response
    with no_row(world):
        is_page(await bob.submit("device-confirm"), status=404)
        bob.response = before
        is_page(await bob.submit("device-deny"), status=404)
        is_html(await Phone(world, address="198.51.100.6").enter(codes["user_code"]), status=404)
        handle = re.search(r"interaction=([^&\"]+)", str(before.request.url))
        assert handle is not None
        for path in ("/sign-in", "/consent", "/device/confirm"):
            is_page(await bob.get(f"{path}?interaction={handle[1]}"), status=404)
    await alice.sign_in()
    assert (await poll(world, codes)).status_code == 200
    [grant] = tables(world).grants.values()
    assert grant.user_id == "ik|erin"


async def test_DV_05_a_handle_of_another_browser_opens_nothing(world: World) -> None:
    codes = await shown(world)
    alice = await at_question(world, codes)
    handle = str(alice.response.request.url).partition("?")[2]
    eve = Phone(world, address="198.51.100.5")
    await eve.get("/device")
    with no_row(world):
        for path in ("/device/confirm", "/sign-in", "/consent"):
            is_page(await eve.get(f"{path}?{handle}"))


async def test_DV_05_nothing_is_allowed_without_the_code(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.authorize()
    await phone.sign_in()
    with no_row(world):
        await phone.get("/device/confirm")
        assert "device-code" in phone.page.ids
        answer = await phone.http.post("/device/confirm", data={"action": "confirm"}, headers=BROWSER)
        is_page(answer, status=403)
        await phone.get("/device/connected")
    is_json_error(await poll(world, codes), 400, "authorization_pending")


async def test_DV_05_a_confirmed_code_is_not_allowed_by_who_signs_in_elsewhere(world: World) -> None:
    codes = await shown(world)
    phone = await at_question(world, codes)
    await phone.submit("device-confirm")
    waiting = phone.response
    await phone.authorize()
    await phone.sign_in("mona")
    with no_row(world):
        await phone.get(str(waiting.request.url).removeprefix(world.issuer))
    assert "device-confirm" in phone.page.ids and "Mona" in phone.response.text
    is_json_error(await poll(world, codes), 400, "authorization_pending")


@pytest.mark.parametrize("is_signed_in", [False, True])
async def test_DV_05_opening_the_complete_link_does_nothing(world: World, is_signed_in: bool) -> None:
    """Eve sends Erin her own link, and Erin has allowed this app before."""
    await Phone(world).connect(await shown(world))
    eve = await shown(world)
    erin = Phone(world)
    if is_signed_in:
        await erin.authorize()
        await erin.sign_in()
    with no_row(world):
        await erin.get(eve["verification_uri_complete"].removeprefix(world.issuer))
    assert {"device-confirm", "device-deny"} <= erin.page.ids
    assert "If somebody sent you this code or this link, stop" in erin.response.text
    is_json_error(await poll(world, eve), 400, "authorization_pending")


# ------------------------------------------------------------ DV-07


async def test_DV_07_allowing_twice_and_refusing_at_once_is_answered_once(world: World) -> None:
    codes = await shown(world)
    await set_api(world, skip_consent=False)
    phone = await at_question(world, codes)
    await phone.submit("device-confirm")
    await phone.sign_in()
    page = phone.page
    url = f"{world.issuer}{page.action}"
    buttons = [page.buttons["consent-allow"], page.buttons["consent-allow"], page.buttons["consent-deny"]] * 6

    async def press(button: tuple[str, str]) -> str:
        pairs = [*page.fields, button]
        body = "&".join(f"{name}={value}" for name, value in pairs)
        headers = BROWSER | {
            "origin": world.issuer,
            "content-type": "application/x-www-form-urlencoded",
        }
        answer = await phone.http.post(url, content=body, headers=headers)
        return answer.headers.get("location", str(answer.status_code))

    told = Counter(await asyncio.gather(*(press(button) for button in buttons)))
    assert told["/device/connected"] + told["/device/refused"] == 1, told
    assert len(tables(world).grants) == told["/device/connected"]


async def test_DV_07_thirty_two_polls_at_once_get_one_set_of_tokens(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    answers = await asyncio.gather(*(poll(world, codes) for _ in range(32)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 31}
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(tables(world).refresh_families) == 1
    for answer in answers:
        if answer.status_code != 200:
            is_json_error(answer, 400, "invalid_grant")
    form = {"grant_type": "refresh_token", "refresh_token": won["refresh_token"], "client_id": "tv"}
    assert (await world.http().post("/oauth/token", data=form)).status_code == 200


# ------------------------------------------------------------ DV-08


@pytest.mark.parametrize("client_id", ["spa", "native"])
async def test_DV_08_an_app_without_the_grant_gets_neither_codes_nor_tokens(
    world: World, client_id: str
) -> None:
    codes = await shown(world)
    with no_row(world):
        is_json_error(await ask(world, client_id=client_id), 400, "unauthorized_client")
        is_json_error(await poll(world, codes, client_id=client_id), 400, "unauthorized_client")


async def test_DV_08_an_app_with_a_secret_has_to_prove_itself(world: World) -> None:
    await world.change("web", grant_types=("authorization_code", DEVICE_GRANT))
    with no_row(world):
        is_json_error(await ask(world, client_id="web"), 401, "invalid_client")
        wrong = basic("web", "ik_cs_wrong")
        is_json_error(await ask(world, client_id=None, headers=wrong), 401, "invalid_client")
    proved = await ask(world, client_id=None, headers=basic("web"))
    assert proved.status_code == 200
    is_json_error(await poll(world, proved.json(), client_id="web"), 401, "invalid_client")


async def test_DV_08_a_grant_that_is_taken_away_ends_what_waits(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    await world.change("tv", grant_types=("refresh_token",))
    is_json_error(await poll(world, codes), 400, "unauthorized_client")


# ------------------------------------------------------------ DV-10


@pytest.mark.parametrize("button", ["device-confirm", "device-deny"])
async def test_DV_10_an_answer_from_another_site_is_refused(world: World, button: str) -> None:
    codes = await shown(world)
    phone = await at_question(world, codes)
    page = phone.page
    fields = dict([*page.fields, page.buttons[button]])
    own = {"sec-fetch-site": "same-origin", "origin": world.issuer}
    with no_row(world):
        for headers in (
            {"origin": "https://evil.example"},
            {"sec-fetch-site": "cross-site", "origin": "null"},
            {"origin": "null"},
        ):
            is_page(await phone.http.post("/device/confirm", data=fields, headers=headers), status=403)
        for name in ("csrf", "interaction"):
            changed = fields | {name: "A" + fields[name][1:] if fields[name][0] != "A" else "B"}
            is_page(await phone.http.post("/device/confirm", data=changed, headers=own), status=403)
            without = {key: value for key, value in fields.items() if key != name}
            is_page(await phone.http.post("/device/confirm", data=without, headers=own), status=403)
        assert (await phone.http.get("/device/confirm", params=fields, headers=BROWSER)).status_code == 200
    is_json_error(await poll(world, codes), 400, "authorization_pending")


async def test_DV_10_a_code_from_another_site_is_not_looked_up(world: World) -> None:
    codes = await shown(world)
    phone = Phone(world)
    await phone.get("/device")
    fields = dict(phone.page.fields) | {"user_code": codes["user_code"]}
    with no_row(world):
        answer = await phone.http.post("/device", data=fields, headers={"origin": "https://evil.example"})
        is_page(answer, status=403)
        bare = await phone.http.post("/device", data={"user_code": codes["user_code"]}, headers=BROWSER)
        is_page(bare, status=403)


# ------------------------------------------------------------ DV-11


def spellings(code: str) -> dict[str, bool]:
    plain = code.replace("-", "")
    return {
        plain: True,
        plain.lower(): True,
        code.lower(): True,
        f"  {code[:4]} {code[5:]} ": True,
        "-".join(plain): True,
        code.replace("-", "\u2013"): False,  # an en dash
        code.replace("-", "\u00a0"): False,  # a no-break space
        code.replace("-", "_"): False,
        "".join(chr(ord(letter) + 0xFEE0) for letter in plain): False,  # full width
        plain + "\u200b": False,
        plain + "A": False,
        plain[:-1]: False,
        "\u212a" + plain[1:]: False,  # the Kelvin sign folds to k
        plain[:-1] + "\u017f": False,  # the long s becomes S in capitals
    }


async def test_DV_11_only_case_spaces_and_hyphens_are_forgiven(world: World) -> None:
    # Long enough to hold a K first and an S last, where Unicode's own folding would help a forger.
    code = "KCDF-GHJS"
    codes = await shown(world)
    row = only_device(world)
    mac = world.services.seals.mac("user-code", b"KCDFGHJS")
    tables(world).device_codes[row.device.key] = replace(row, device=replace(row.device, user_code_mac=mac))
    for number, (typed, is_meant) in enumerate(spellings(code).items()):
        phone = Phone(world, address=f"198.51.100.{number + 1}")
        await phone.enter(typed)
        assert ("device-confirm" in phone.page.ids) is is_meant, ascii(typed)
    assert codes["user_code"] != code


# ------------------------------------------------------------ guesses (RFC 8628 §5.1, E2 D17)


async def guess(world: World, address: str, number: int) -> int:
    code = user_code.draw(number.to_bytes(32, "big"), alphabet="letters", length=8)
    answer = await world.http(address=address).get(f"/device?user_code={code}", headers=BROWSER)
    return answer.status_code


async def test_DV_12_a_thousand_guesses_from_one_address_are_ten(world: World) -> None:
    codes = await shown(world)
    told = Counter([await guess(world, "198.51.100.1", number) for number in range(1000)])
    assert told == {404: 10, 429: 990}
    phone = Phone(world, address="198.51.100.1")
    is_html(await phone.enter(codes["user_code"]), status=429)
    assert "retry-after" in phone.response.headers
    assert "Too many wrong codes" in phone.response.text
    await Phone(world).connect(codes)
    await still_works(world)


async def test_DV_12_guesses_from_everywhere_are_counted_together_and_harm_nobody_who_waits(
    world: World,
) -> None:
    waiting, confirmed = await shown(world), await shown(world)
    erin = await at_question(world, confirmed)
    await erin.submit("device-confirm")
    told = Counter([await guess(world, f"198.51.100.{n % 50}", n) for n in range(1000)])
    assert told == {404: 300, 429: 700}
    is_html(await Phone(world, address="192.0.2.200").enter(waiting["user_code"]), status=429)
    await erin.sign_in()
    assert str(erin.response.request.url).endswith("/device/connected")
    assert (await poll(world, confirmed)).status_code == 200
    await erin.enter(waiting["user_code"])
    assert "device-confirm" in erin.page.ids, "she is signed in, so strangers do not close the page to her"
    world.clock.advance(seconds=900)
    fresh = await shown(world)
    await Phone(world, address="192.0.2.200").connect(fresh)


async def test_DV_12_who_is_signed_in_may_not_guess_for_ever_either(world: World) -> None:
    told: Counter[int] = Counter()
    mona = Phone(world)
    await mona.authorize()
    await mona.sign_in("mona")
    cookies = mona.http.cookies
    for number in range(40):
        http = world.http(address=f"198.51.100.{number}")
        http.cookies = cookies
        code = user_code.draw(number.to_bytes(32, "big"), alphabet="letters", length=8)
        told[(await http.get(f"/device?user_code={code}", headers=BROWSER)).status_code] += 1
    assert told == {404: 10, 429: 30}


async def test_DV_12_parallel_guesses_do_not_slip_past(world: World) -> None:
    told = Counter(await asyncio.gather(*(guess(world, "198.51.100.1", number) for number in range(60))))
    assert told == {404: 10, 429: 50}


async def test_DV_12_a_right_code_is_not_counted() -> None:
    world = await a_living_room(device=DeviceCodes(wrong_codes_per_address=2))
    for _ in range(5):
        await at_question(world, await shown(world))
    assert [await guess(world, "203.0.113.7", number) for number in range(3)] == [404, 404, 429]


# ------------------------------------------------------------ what a stranger may fill


async def test_DV_13_one_address_cannot_fill_the_store_with_devices(world: World) -> None:
    answers = Counter([(await ask(world)).status_code for _ in range(120)])
    assert answers == {200: 100, 503: 20}
    assert len(tables(world).device_codes) == 100
    assert (await ask(world, address="192.0.2.77")).status_code == 200


async def test_DV_14_no_code_and_no_password_is_in_any_event(world: World) -> None:
    codes = await shown(world)
    await Phone(world).connect(codes)
    tokens = (await poll(world, codes)).json()
    letters = codes["user_code"].replace("-", "")
    keeps_secrets(world, codes["device_code"], codes["user_code"], letters, PASSWORD, tokens["refresh_token"])
