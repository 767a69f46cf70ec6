"""A command line app signs in through the browser and a loopback redirect (RFC 8252 §7.3)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Generator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http
from tests.serving import free_socket, port_of, served
from tests.visitor import Page

pytestmark = pytest.mark.e2e

CLIENT_ID = "timesheets-cli"


class CommandLineApp:
    """Waits for the browser on a port that nobody has registered."""

    def __init__(self, issuer: str, redirect_uri: str) -> None:
        self._issuer = issuer
        self._redirect_uri = redirect_uri
        self._verifier = secrets.token_urlsafe(32)

    def open_in(self, browser: HttpBrowser) -> Page:
        digest = hashlib.sha256(self._verifier.encode()).digest()
        return browser.open(
            f"{self._issuer}/authorize",
            response_type="code",
            client_id=CLIENT_ID,
            redirect_uri=self._redirect_uri,
            scope="openid profile",
            state="a state of its own",
            code_challenge=base64.urlsafe_b64encode(digest).decode().rstrip("="),
            code_challenge_method="S256",
        )

    def redeem(self, code: str) -> str:
        """The name of the person."""
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": self._verifier,
        }
        with http() as client:
            tokens = client.post(f"{self._issuer}/oauth/token", data=form).json()
            token = {"authorization": f"Bearer {tokens['access_token']}"}
            return client.get(f"{self._issuer}/userinfo", headers=token).json()["name"]


@pytest.fixture
def app(house: House) -> Generator[CommandLineApp]:
    listening = free_socket()
    callback = f"http://127.0.0.1:{port_of(listening)}/callback"
    with served(Starlette(routes=[Route("/callback", say_done)]), listening):
        yield CommandLineApp(house.issuer, callback)


async def say_done(request: Request) -> Response:
    return PlainTextResponse("You can close this window.")


@pytest.fixture
def browser() -> Generator[HttpBrowser]:
    one = HttpBrowser()
    yield one
    one.close()


def test_a_sign_in_comes_back_to_the_port_that_the_app_chose(
    house: House, app: CommandLineApp, browser: HttpBrowser
) -> None:
    app.open_in(browser)
    browser.sign_in("erin", house.password("erin"))
    assert browser.answer.text == "You can close this window."
    assert (browser.parameters["iss"], browser.parameters["state"]) == (house.issuer, "a state of its own")
    assert app.redeem(browser.parameters["code"]) == "Erin Ellis"


def test_a_session_alone_signs_nobody_in_to_an_app_on_this_device(
    house: House, app: CommandLineApp, browser: HttpBrowser
) -> None:
    app.open_in(browser)
    browser.sign_in("erin", house.password("erin"))
    page = app.open_in(browser)
    assert browser.url.startswith(f"{house.issuer}/consent?")
    assert "consent-allow" in page.ids and page.scopes == []
    browser.press("consent-allow")
    assert app.redeem(browser.parameters["code"]) == "Erin Ellis"
    app.open_in(browser)
    browser.press("consent-deny")
    assert browser.parameters["error"] == "access_denied"
