"""A television signs somebody in, with a phone, step by step over real sockets, on SQLite and on two nodes (E2)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.timesheets_api.app import AUDIENCE
from examples.timesheets_api.app import create_app as create_api
from innkeeper.jose import base64url
from innkeeper.resource_server import Guard
from innkeeper.server import app
from innkeeper.server.config import Database
from tests import television
from tests.attacks.oracles import is_json_error
from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http
from tests.postgres import Cluster, Foreign
from tests.serving import free_socket, served
from tests.television import DEVICE_GRANT, SCOPE, Phone, a_living_room
from tests.two_nodes import PLACES, a_house_at
from tests.world import START, World

pytestmark = pytest.mark.e2e
ORIGIN = "https://tv.exampleco.test"
TV = "timesheets-tv"


class Television:
    """What the app on the television does; `screen` is all that it shows."""

    def __init__(self, house: House, client_id: str = TV) -> None:
        self.house = house
        self.client_id = client_id
        self.codes: dict[str, Any] = {}

    def ask(self, **headers: str) -> httpx2.Response:
        form = {"client_id": self.client_id, "scope": SCOPE, "audience": AUDIENCE}
        with http() as client:
            answer = client.post(f"{self.house.issuer}/oauth/device/code", data=form, headers=headers)
        self.codes = answer.json()
        return answer

    def poll(self, client_id: str | None = None, **headers: str) -> httpx2.Response:
        form = {
            "grant_type": DEVICE_GRANT,
            "device_code": self.codes["device_code"],
            "client_id": client_id or self.client_id,
        }
        with http() as client:
            return client.post(f"{self.house.issuer}/oauth/token", data=form, headers=headers)

    def hears(self, error: str) -> None:
        answer = self.poll()
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    @property
    def screen(self) -> str:
        return f"{self.codes['verification_uri']} {self.codes['user_code']} {self.codes['verification_uri_complete']}"


@pytest.fixture(scope="module", params=PLACES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """With the example world."""
    with a_house_at(request.param, tmp_path_factory.mktemp("living-room"), request) as running:
        yield running


@pytest.fixture
def tv(house: House) -> Television:
    television = Television(house)
    assert television.ask().status_code == 200
    return television


@pytest.fixture(params=PLACES)
def another_house(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[House]:
    """For one test alone."""
    with a_house_at(request.param, tmp_path, request) as running:
        yield running


@pytest.fixture
def phone() -> Generator[HttpBrowser]:
    one = HttpBrowser()
    yield one
    one.close()


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return found


def connect(tv: Television, phone: HttpBrowser, username: str = "erin") -> None:
    """All the way, with yes as the answer."""
    phone.open(tv.codes["verification_uri"])
    phone.press("device-continue", user_code=tv.codes["user_code"])
    page = phone.press("device-confirm")
    if "login-submit" in page.ids:
        page = phone.sign_in(username, tv.house.password(username))
    if "consent-allow" in page.ids:
        phone.press("consent-allow")
    assert phone.url.endswith("/device/connected")


def test_D1_the_television_gets_its_codes(house: House) -> None:
    answer = Television(house).ask()
    assert answer.status_code == 200
    codes = answer.json()
    assert re.fullmatch(r"[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", codes["user_code"])
    assert codes["verification_uri"] == f"{house.issuer}/device"
    assert (codes["expires_in"], codes["interval"]) == (900, 5)
    assert len(codes["device_code"]) > 40


def test_D2_the_complete_link_holds_the_code_and_the_screen_no_secret(tv: Television) -> None:
    assert tv.codes["verification_uri_complete"].endswith(f"/device?user_code={tv.codes['user_code']}")
    assert tv.codes["device_code"] not in tv.screen


def test_D3_a_first_poll_hears_that_nobody_has_answered(tv: Television) -> None:
    tv.hears("authorization_pending")


def test_D4_a_television_that_polls_too_fast_is_told_to_slow_down_each_time(tv: Television) -> None:
    tv.hears("authorization_pending")
    for _ in range(3):
        tv.hears("slow_down")


@pytest.mark.parametrize("spell", [str.lower, lambda code: code.replace("-", " ").lower(), "-".join])
def test_D5_the_code_is_taken_however_it_is_typed(tv: Television, phone: HttpBrowser, spell: Any) -> None:
    phone.open(tv.codes["verification_uri"])
    page = phone.press("device-continue", user_code=spell(tv.codes["user_code"]))
    assert "device-confirm" in page.ids


def test_D6_the_question_names_code_app_and_address_and_needs_a_click(
    tv: Television, phone: HttpBrowser
) -> None:
    phone.open(tv.codes["verification_uri"])
    phone.press("device-continue", user_code=tv.codes["user_code"])
    for words in (tv.codes["user_code"], "Timesheets board", "127.0.0.1", "Did you start this?"):
        assert words in phone.answer.text
    tv.hears("authorization_pending")


def test_D7_to_D10_erin_allows_it_and_the_television_shows_her_rows(
    house: House, tv: Television, phone: HttpBrowser, tmp_path: Path
) -> None:
    house.command("api", "change", AUDIENCE, "--ask-consent")
    try:
        phone.open(tv.codes["verification_uri"])
        phone.press("device-continue", user_code=tv.codes["user_code"])
        page = phone.press("device-confirm")
        assert "login-submit" in page.ids
        page = phone.sign_in("erin", house.password("erin"))
        assert {"read:timesheets", "offline_access"} <= set(page.scopes)
        assert "See your timesheets" in phone.answer.text and tv.codes["user_code"] in phone.answer.text
        phone.press("consent-allow")
    finally:
        house.command("api", "change", AUDIENCE, "--skip-consent")
    assert phone.url.endswith("/device/connected") and "go back to your device" in phone.answer.text
    answer = tv.poll()
    assert answer.status_code == 200
    tokens = answer.json()
    assert tokens.keys() >= {"access_token", "refresh_token", "id_token"}
    assert claims(tokens["id_token"])["preferred_username"] == "erin"
    tv.hears("invalid_grant")
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    api = create_api(Guard(issuer=house.issuer, audience=AUDIENCE), tmp_path / "timesheets.sqlite")
    with served(api, free_socket()) as origin, http() as client:
        assert client.get(f"{origin}/timesheets", headers=bearer).status_code == 200
        assert client.get(f"{origin}/timesheets").status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": TV}
    with http() as client:
        renewed = client.post(f"{house.issuer}/oauth/token", data=form)
    assert renewed.status_code == 200 and renewed.json()["refresh_token"] != tokens["refresh_token"]


def test_D14_erin_says_stop_and_the_television_hears_it(
    house: House, tv: Television, phone: HttpBrowser
) -> None:
    phone.open(tv.codes["verification_uri"])
    phone.press("device-continue", user_code=tv.codes["user_code"])
    phone.press("device-deny")
    assert phone.url.endswith("/device/refused")
    tv.hears("access_denied")
    assert house.event(type="device.denied", client_id=TV)


def test_D16_opening_eves_link_does_nothing_whoever_is_signed_in(
    house: House, tv: Television, phone: HttpBrowser
) -> None:
    connect(tv, phone)
    eve = Television(house)
    eve.ask()
    page = phone.open(eve.codes["verification_uri_complete"])
    assert {"device-confirm", "device-deny"} <= page.ids
    assert "Erin Ellis" in phone.answer.text
    assert "If somebody sent you this code or this link, stop" in phone.answer.text
    eve.hears("authorization_pending")


def test_D17_guesses_from_fifty_addresses_stop_and_nobody_who_waits_is_harmed(
    another_house: House, phone: HttpBrowser
) -> None:
    house = another_house  # after this, its page for codes is closed to strangers
    tv = Television(house)
    tv.ask()
    phone.open(tv.codes["verification_uri"])
    phone.press("device-continue", user_code=tv.codes["user_code"])
    phone.press("device-confirm")
    told: Counter[int] = Counter()
    wrong = "BCDF-GHJZ" if tv.codes["user_code"] != "BCDF-GHJZ" else "BCDF-GHJX"
    for number in range(50):
        transport = httpx2.HTTPTransport(local_address=f"127.0.1.{number + 1}")
        with httpx2.Client(transport=transport, trust_env=False, timeout=10) as eve:
            for _ in range(8):
                told[eve.get(f"{house.issuer}/device", params={"user_code": wrong}).status_code] += 1
    assert told == {404: 300, 429: 100}
    phone.sign_in("erin", house.password("erin"))
    assert phone.url.endswith("/device/connected")
    assert tv.poll().status_code == 200
    second = Television(house)
    second.ask()
    connect(second, phone)
    assert second.poll().status_code == 200
    assert house.event(type="device.blocked")


def test_D18_the_question_says_who_is_signed_in_and_can_be_answered_by_somebody_else(
    house: House, tv: Television, phone: HttpBrowser
) -> None:
    connect(tv, phone, "mona")
    second = Television(house)
    second.ask()
    phone.open(second.codes["verification_uri_complete"])
    assert "Mona Marsh" in phone.answer.text
    switch = re.search(r'href="(/sign-in\?switch=1[^"]*)"', phone.answer.text)
    assert switch is not None
    phone.open(house.issuer + switch[1].replace("&amp;", "&"))
    page = phone.sign_in("erin", house.password("erin"))
    assert "device-confirm" in page.ids and "Erin Ellis" in phone.answer.text
    phone.press("device-confirm")
    tokens = second.poll().json()
    assert claims(tokens["id_token"])["preferred_username"] == "erin"


def test_D19_another_app_learns_nothing_from_the_televisions_code(house: House, tv: Television) -> None:
    house.command("app", "create", "radio", "--type", "native", "--grant-type", DEVICE_GRANT)
    answer = tv.poll(client_id="radio")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    tv.hears("authorization_pending")


def test_D20_a_television_that_is_a_browser_may_call_from_its_registered_origin(house: House) -> None:
    tv = Television(house)
    house.command("app", "change", TV, "--origin", ORIGIN)
    for origin, expected in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
        with http() as client:
            for path in ("/oauth/device/code", "/oauth/token"):
                asked = {"origin": origin, "access-control-request-method": "POST"}
                preflight = client.options(house.issuer + path, headers=asked)
                assert preflight.headers.get("access-control-allow-origin") == expected
        assert tv.ask(origin=origin).headers.get("access-control-allow-origin") == expected
        assert tv.poll(origin=origin).headers.get("access-control-allow-origin") == expected


# ------------------------------------------------------------ what takes days, with a clock that is moved


@pytest.fixture(params=("sqlite", "postgresql"))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    url = None
    if request.param == "postgresql":
        postgres: Cluster | Foreign = request.getfixturevalue("postgres")
        url = await postgres.fresh_database()
    store = await app.open_store(tmp_path / "tv.sqlite", Database(url=url), role="serving")
    yield await a_living_room(store=store)
    await store.close()


@pytest.mark.anyio
async def test_D11_a_television_that_was_off_for_three_days_is_still_signed_in(world: World) -> None:
    tokens = await television.tokens(world)
    world.clock.advance(days=3)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "tv"}
    answer = await world.http().post("/oauth/token", data=form)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != tokens["refresh_token"]
    assert claims(answer.json()["id_token"])["auth_time"] == int(START.timestamp())


@pytest.mark.anyio
async def test_D15_a_code_that_nobody_types_expires_once(world: World) -> None:
    codes = await television.shown(world)
    world.clock.advance(minutes=15)
    is_json_error(await television.poll(world, codes), 400, "expired_token")
    is_json_error(await television.poll(world, codes), 400, "invalid_grant")
    phone = Phone(world)
    assert (await phone.enter(codes["user_code"])).status_code == 404
