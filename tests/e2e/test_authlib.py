"""Authlib's client for Starlette signs people in over real sockets, unmodified."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

from examples.timesheets_api.app import AUDIENCE
from examples.timesheets_api.app import create_app as create_api
from examples.timesheets_web.app import Settings
from examples.timesheets_web.app import create_app as create_web
from innkeeper.resource_server import Guard
from tests.e2e import relying_party
from tests.e2e.http_browser import HttpBrowser
from tests.house import House
from tests.serving import free_socket, port_of, served

pytestmark = pytest.mark.e2e

PROFILE = "openid profile email"


@pytest.fixture(scope="module")
def apps(house: House) -> Generator[dict[str, str]]:
    """The origins of our two web apps, on free ports that the running server has been told about."""
    with ExitStack() as stack:
        origins = {}
        for client_id in ("timesheets-web", "paycheck"):
            listening = free_socket()
            callback = f"http://localhost:{port_of(listening)}/auth/callback"
            house.command("app", "change", client_id, "--add-callback", callback)
            app = relying_party.create_app(
                issuer=house.issuer,
                client_id=client_id,
                client_secret=house.secret(client_id),
                redirect_uri=callback,
            )
            origins[client_id] = stack.enter_context(served(app, listening))
        yield origins


@pytest.fixture
def browser() -> Generator[HttpBrowser]:
    one = HttpBrowser()
    yield one
    one.close()


# ------------------------------------------------------------ a first-party app


def test_erin_signs_in_and_her_claims_arrive(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['timesheets-web']}/login", scope=PROFILE)
    assert browser.url.startswith(f"{house.issuer}/sign-in?")
    browser.sign_in("erin", house.password("erin"))
    known = browser.answer.json()
    assert known["parameters"]["iss"] == house.issuer
    check_erin(known["token"]["userinfo"])
    check_erin(known["userinfo"])
    assert known["userinfo"]["sub"] == known["token"]["userinfo"]["sub"]
    id_token = known["token"]["userinfo"]
    assert (id_token["iss"], id_token["aud"], id_token["amr"]) == (house.issuer, "timesheets-web", ["pwd"])


def check_erin(claims: dict[str, Any]) -> None:
    assert claims["name"] == "Erin Ellis"
    assert (claims["email"], claims["email_verified"]) == ("erin@exampleco.test", True)
    assert claims["preferred_username"] == "erin"
    assert "phone_number" not in claims


def test_a_second_sign_in_shows_no_page_and_is_the_same_session(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['timesheets-web']}/login", scope=PROFILE)
    browser.sign_in("erin", house.password("erin"))
    first = browser.answer.json()["token"]["userinfo"]
    browser.open(f"{apps['timesheets-web']}/login", scope=PROFILE)
    assert browser.path() == ["/login", "/authorize", "/auth/callback"]
    second = browser.answer.json()["token"]["userinfo"]
    names = ("sub", "sid", "auth_time")
    assert [first[name] for name in names] == [second[name] for name in names]
    assert first["nonce"] != second["nonce"]


def test_a_wrong_password_keeps_her_out_and_the_right_one_then_lets_her_in(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['timesheets-web']}/login", scope=PROFILE)
    browser.sign_in("mona", "not her password")
    assert (browser.answer.status_code, "problem" in browser.page.ids) == (400, True)
    browser.sign_in("mona", house.password("mona"))
    assert browser.answer.json()["userinfo"]["name"] == "Mona Marsh"


def test_the_sample_app_shows_her_name_and_calls_the_api_for_her(
    house: House, browser: HttpBrowser, tmp_path: Any
) -> None:
    web_socket, api_socket = free_socket(), free_socket()
    callback = f"http://localhost:{port_of(web_socket)}/auth/callback"
    house.command("app", "change", "timesheets-web", "--add-callback", callback)
    guard = Guard(issuer=house.issuer, audience=AUDIENCE)
    with (
        served(create_api(guard, tmp_path / "timesheets.sqlite"), api_socket) as api,
        served(create_web(settings(house, callback, api)), web_socket) as web,
    ):
        browser.open(f"{web}/login")
        browser.sign_in("erin@exampleco.test", house.password("erin"))
        assert '<b id="name">Erin Ellis</b>' in browser.answer.text
        browser.open(f"{web}/timesheets")
        assert "200 {&quot;timesheets&quot;:[]}" in browser.answer.text


def settings(house: House, callback: str, api: str) -> Settings:
    return Settings(
        issuer=house.issuer,
        client_id="timesheets-web",
        client_secret=house.secret("timesheets-web"),
        redirect_uri=callback,
        api_url=api,
    )


# ------------------------------------------------------------ a third-party app

PAYCHECK = {"scope": f"{PROFILE} read:timesheets create:timesheets", "audience": AUDIENCE}


def test_paycheck_asks_once_and_gets_what_was_left_ticked(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['paycheck']}/login", **PAYCHECK)
    page = browser.sign_in("erin", house.password("erin"))
    assert browser.url.startswith(f"{house.issuer}/consent?")
    assert set(page.scopes) == set(PAYCHECK["scope"].split())
    assert "PayCheck Ltd" in page.html and f"{port_of_origin(apps['paycheck'])}" in page.html
    browser.press("consent-allow", untick=("create:timesheets",))
    narrower = {"openid", "profile", "email", "read:timesheets"}
    assert set(browser.answer.json()["token"]["scope"].split()) == narrower

    for scope in (PAYCHECK["scope"], f"{PROFILE} read:timesheets"):
        browser.open(f"{apps['paycheck']}/login", scope=scope, audience=AUDIENCE)
        assert browser.path() == ["/login", "/authorize", "/auth/callback"]
        assert set(browser.answer.json()["token"]["scope"].split()) == narrower


def test_another_browser_of_hers_is_not_asked_again(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['paycheck']}/login", scope=f"{PROFILE} read:timesheets", audience=AUDIENCE)
    browser.sign_in("mona", house.password("mona"))
    browser.press("consent-allow")
    assert browser.answer.json()["userinfo"]["name"] == "Mona Marsh"
    elsewhere = HttpBrowser()
    elsewhere.open(f"{apps['paycheck']}/login", scope=f"{PROFILE} read:timesheets", audience=AUDIENCE)
    elsewhere.sign_in("mona", house.password("mona"))
    assert elsewhere.answer.json()["userinfo"]["name"] == "Mona Marsh"
    elsewhere.close()


def test_denying_tells_paycheck_so_with_state_and_issuer_and_remembers_nothing(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['paycheck']}/login", **PAYCHECK)
    browser.sign_in("carl", house.password("carl"))
    browser.press("consent-deny")
    known = browser.answer.json()
    assert (known["error"], known["parameters"]["iss"]) == ("access_denied", house.issuer)
    assert known["parameters"]["state"] and "code" not in known["parameters"]
    browser.open(f"{apps['paycheck']}/login", **PAYCHECK)
    assert "consent-allow" in browser.page.ids


def test_cancelling_the_sign_in_goes_back_to_the_app(
    house: House, apps: dict[str, str], browser: HttpBrowser
) -> None:
    browser.open(f"{apps['timesheets-web']}/login", scope=PROFILE)
    browser.press("login-cancel")
    assert browser.answer.json()["error"] == "access_denied"
    assert browser.parameters["iss"] == house.issuer


def port_of_origin(origin: str) -> str:
    return origin.rpartition(":")[2]
