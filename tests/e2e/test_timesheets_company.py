"""The Timesheets company at work: steps that need no browser engine, over real sockets, on SQLite and on two nodes.

The passwords of T49 to T51 are in `test_password_grant.py`, T18 and T19 in the tests of the browser libraries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.timesheets_api.app import AUDIENCE
from examples.timesheets_api.app import create_app as create_api
from innkeeper.jose import base64url
from innkeeper.resource_server import Guard
from tests.e2e.company import App, claims_by_keys_alone, signed_in
from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http
from tests.serving import free_socket, port_of, served
from tests.two_nodes import PLACES, a_house_at

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("company")]
WEB_GRANTS = ("authorization_code", "refresh_token", "implicit")


@pytest.fixture(scope="module", params=PLACES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """With the flows that new apps should not use."""
    with a_house_at(request.param, tmp_path_factory.mktemp("company"), request, is_legacy=True) as running:
        grants = [word for name in WEB_GRANTS for word in ("--grant-type", name)]
        running.command("app", "change", "timesheets-web", *grants)
        yield running


@pytest.fixture
def browser() -> Generator[HttpBrowser]:
    one = HttpBrowser()
    yield one
    one.close()


@pytest.fixture(scope="module")
def news() -> Generator[str]:
    """Where an app takes a form: it answers what was posted to it."""

    async def callback(request: Request) -> Response:
        return JSONResponse(dict(parse_qsl((await request.body()).decode())))

    listening = free_socket()
    with served(Starlette(routes=[Route("/callback", callback, methods=["POST"])]), listening):
        yield f"http://localhost:{port_of(listening)}/callback"


@pytest.fixture(scope="module")
def landing() -> Generator[str]:
    """A callback that only has to be there."""

    async def callback(request: Request) -> Response:
        return JSONResponse({})

    listening = free_socket()
    with served(Starlette(routes=[Route("/callback", callback)]), listening):
        yield f"http://localhost:{port_of(listening)}/callback"


def a_browser_app(house: House, name: str, landing: str) -> None:
    house.command(
        "app", "create", name, "--type", "spa", "--callback", landing, "--refresh-overlap", "0s",
        "--grant-type", "authorization_code", "--grant-type", "refresh_token",
    )  # fmt: skip


def refused(answer: httpx2.Response, error: str) -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


def userinfo(house: House, token: str) -> int:
    with http() as client:
        headers = {"authorization": f"Bearer {token}"}
        return client.get(f"{house.issuer}/userinfo", headers=headers).status_code


def half_hash(text: str) -> str:
    """`c_hash` of OIDC Core §3.3.2.11."""
    return base64url.encode(hashlib.sha256(text.encode()).digest()[:16])


def test_T12_a_code_that_comes_again_ends_what_the_first_redemption_gave(house: House, landing: str) -> None:
    house.command("app", "change", "timesheets-web", "--add-callback", landing)
    app, code = signed_in(house, "timesheets-web", "erin", landing)
    tokens = app.redeem(code).json()
    assert userinfo(house, tokens["access_token"]) == 200
    refused(app.redeem(code), "invalid_grant")
    refused(app.refresh(tokens["refresh_token"]), "invalid_grant")
    assert userinfo(house, tokens["access_token"]) == 401
    assert house.event(type="code.replayed", client_id="timesheets-web")["ip"] == "127.0.0.1"


def test_T22_a_thief_who_comes_second_ends_the_sign_in_that_was_copied_and_no_other(
    house: House, landing: str
) -> None:
    a_browser_app(house, "theft22", landing)
    app, code = signed_in(house, "theft22", "carl", landing)
    other, other_code = signed_in(house, "theft22", "carl", landing)
    elsewhere = other.redeem(other_code).json()
    first = app.redeem(code).json()["refresh_token"]
    third = app.next(app.next(first)["refresh_token"])
    refused(app.refresh(first), "invalid_grant")
    refused(app.refresh(third["refresh_token"]), "invalid_grant")
    assert userinfo(house, third["access_token"]) == 401
    event = house.event(type="refresh.reused", client_id="theft22")
    assert event["ip"] == "127.0.0.1" and event["user_id"]
    assert other.next(elsewhere["refresh_token"])["refresh_token"]


def test_T23_a_thief_who_comes_first_is_thrown_out_when_the_app_refreshes(house: House, landing: str) -> None:
    a_browser_app(house, "theft23", landing)
    app, code = signed_in(house, "theft23", "carl", landing)
    first = app.redeem(code).json()["refresh_token"]
    stolen = app.next(first)
    assert userinfo(house, stolen["access_token"]) == 200
    refused(app.refresh(first), "invalid_grant")
    refused(app.refresh(stolen["refresh_token"]), "invalid_grant")
    assert userinfo(house, stolen["access_token"]) == 401
    assert house.event(type="refresh.reused", client_id="theft23")


# ------------------------------------------------------------ the night upload


def machine(house: House, **form: str) -> httpx2.Response:
    """timesheets-cron, with a JSON body."""
    body = {"grant_type": "client_credentials", "audience": AUDIENCE} | form
    credentials = ("timesheets-cron", house.secret("timesheets-cron"))
    with http() as client:
        return client.post(f"{house.issuer}/oauth/token", json=body, auth=credentials)


def test_T31_a_machine_gets_an_access_token_and_nothing_else(house: House) -> None:
    answer = machine(house)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "expires_in", "token_type", "scope"}
    assert tokens["scope"] == "batch:upload"
    claims = claims_by_keys_alone(house, tokens["access_token"])
    assert claims["sub"] == claims["client_id"] == "timesheets-cron"


def test_T33_a_machine_is_nobody_whom_me_or_userinfo_could_be_about(house: House, tmp_path: Path) -> None:
    token = machine(house).json()["access_token"]
    assert userinfo(house, token) in (401, 403)
    api = create_api(Guard(issuer=house.issuer, audience=AUDIENCE), tmp_path / "timesheets.sqlite")
    with served(api, free_socket()) as origin, http() as client:
        answer = client.get(f"{origin}/me", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_T34_neither_a_machine_nor_a_browser_app_gets_what_is_not_its_own(house: House) -> None:
    refused(machine(house, scope="approve:timesheets"), "invalid_scope")
    form = {"grant_type": "client_credentials", "audience": AUDIENCE, "client_id": "timesheets-spa"}
    with http() as client:
        answer = client.post(f"{house.issuer}/oauth/token", data=form)
    refused(answer, "unauthorized_client")


# ------------------------------------------------------------ answers that are posted


def posted(browser: HttpBrowser) -> dict[str, Any]:
    """What the app got when the person pressed the button, as they do without JavaScript."""
    assert browser.answer.headers["cache-control"] == "no-store"
    browser.press("form-post-continue")
    told: dict[str, Any] = json.loads(browser.answer.text)
    return told


def test_T52_news_signs_people_in_without_a_secret_by_a_form_that_posts_itself(
    house: House, browser: HttpBrowser, news: str
) -> None:
    house.command("app", "create", "news", "--type", "spa", "--callback", news, "--grant-type", "implicit")
    app = App(house, browser, "news", news)
    asked = {"response_type": "id_token", "response_mode": "form_post", "scope": "openid email"}
    page = app.open("erin", **asked, audience="", code_challenge="", code_challenge_method="")
    assert "form-post-continue" in page.ids and page.action == news
    policy = browser.answer.headers["content-security-policy"]
    assert f"form-action {news}" in policy and "'unsafe-inline'" not in policy
    form = posted(browser)
    assert form.keys() == {"id_token", "state", "iss"}
    claims = claims_by_keys_alone(house, form["id_token"])
    assert (claims["aud"], claims["iss"], claims["nonce"]) == ("news", house.issuer, app.nonce)
    assert claims["email"] == "erin@exampleco.test"


def test_T53_a_code_and_an_id_token_are_posted_together_and_belong_together(
    house: House, browser: HttpBrowser, news: str
) -> None:
    house.command("app", "change", "timesheets-web", "--add-callback", news)
    app = App(house, browser, "timesheets-web", news)
    app.open("erin", response_type="code id_token", response_mode="form_post")
    form = posted(browser)
    assert form.keys() == {"code", "id_token", "state", "iss"}
    claims = claims_by_keys_alone(house, form["id_token"])
    assert claims["c_hash"] == half_hash(form["code"])
    tampered = form["code"][:-1] + ("A" if form["code"][-1] != "A" else "B")
    assert claims["c_hash"] != half_hash(tampered)
    refused(app.redeem(tampered), "invalid_grant")
    tokens = app.redeem(form["code"]).json()
    second = claims_by_keys_alone(house, tokens["id_token"])
    assert (second["sub"], second["iss"]) == (claims["sub"], claims["iss"])
