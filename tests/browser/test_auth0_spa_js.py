"""auth0-spa-js, as npm has it, signs carl in and keeps him signed in."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from examples.timesheets_api.app import AUDIENCE
from tests.browser import npm_packages
from tests.browser.bare_app import blank_pages, running
from tests.browser.person import Person, at
from tests.house import House, a_house, http

pytestmark = pytest.mark.browser

ENTRY = """
import { Auth0Client } from "@auth0/auth0-spa-js";
window.use = (settings) => void (window.auth0 = new Auth0Client(settings));
"""
SCOPE = "openid profile email read:timesheets"
FAILURE = "error => ({error: error.error, text: error.error_description})"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """Without https the library adds a slash to the issuer; over https it takes what `issuer` says."""
    with a_house(tmp_path_factory.mktemp("house"), "--trailing-slash") as one:
        yield one


@pytest.fixture(scope="module")
def domain(house: House) -> str:
    assert house.issuer.endswith("/")
    return house.issuer.removesuffix("/")


@pytest.fixture(scope="module")
def origin(house: House, modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    bundle = npm_packages.bundled(modules, ENTRY, tmp_path_factory.mktemp("apps") / "bundle.js")
    with running(blank_pages(bundle)) as at_origin:
        house.command("app", "create", "auth0-spa", "--type", "spa", "--callback", at_origin)
        yield at_origin


@pytest.fixture
def carl(chromium: Browser, house: House) -> Generator[Person]:
    with at(chromium, house) as person:
        yield person


@pytest.fixture
def open_app(carl: Person, origin: str, domain: str) -> Any:
    """Loads the app's page, where the library then knows this much."""

    def load(**more: Any) -> None:
        if not carl.page.url.startswith(origin):
            carl.page.goto(origin)
        settings = {
            "domain": domain,
            "clientId": "auth0-spa",
            "authorizationParams": {"redirect_uri": origin, "audience": AUDIENCE, "scope": SCOPE},
        }
        carl.page.evaluate("settings => use(settings)", settings | more)

    return load


def sign_in(carl: Person, origin: str, load: Any, **more: Any) -> dict[str, Any]:
    """By redirect; what the library then says of him."""
    load(**more)
    carl.page.evaluate("void auth0.loginWithRedirect({appState: {place: 'home'}})")
    carl.page.wait_for_selector("#login-submit")
    carl.sign_in("carl")
    carl.page.wait_for_url(f"{origin}/?*")
    load(**more)
    return carl.page.evaluate(
        "async () => { const {appState} = await auth0.handleRedirectCallback();"
        " return {appState, user: await auth0.getUser()} }"
    )


def silently(carl: Person, **options: Any) -> Any:
    return carl.page.evaluate(
        f"options => auth0.getTokenSilently(options).catch({FAILURE})",
        options | {"cacheMode": "off"},
    )


def userinfo(domain: str, token: str) -> int:
    with http() as client:
        return client.get(f"{domain}/userinfo", headers={"authorization": f"Bearer {token}"}).status_code


def sent_to(carl: Person, path: str) -> list[str]:
    return [url for url in carl.requests if f"{path}?" in url or url.endswith(path)]


def test_login_with_redirect_brings_his_claims(carl: Person, origin: str, open_app: Any) -> None:
    known = sign_in(carl, origin, open_app)
    assert known["appState"] == {"place": "home"}
    assert (known["user"]["name"], known["user"]["email"]) == ("Carl Cole", "carl@exampleco.test")
    assert carl.page.evaluate("auth0.isAuthenticated()") is True
    assert carl.complaints == []


def test_login_with_a_pop_up_gets_its_answer_by_message(
    house: House, carl: Person, origin: str, open_app: Any
) -> None:
    open_app()
    with carl.page.expect_popup() as opened:
        carl.page.evaluate("void (window.pending = auth0.loginWithPopup())")
    popup = Person(opened.value, house)
    popup.page.wait_for_selector("#login-submit")
    with popup.page.expect_event("close"):
        popup.sign_in("carl")
    carl.page.evaluate("pending")
    assert carl.page.evaluate("auth0.getUser()")["name"] == "Carl Cole"
    assert carl.complaints == []


def test_a_new_token_comes_silently_from_a_frame_by_message(
    carl: Person, origin: str, domain: str, open_app: Any
) -> None:
    sign_in(carl, origin, open_app)
    first = carl.page.evaluate("auth0.getTokenSilently()")
    carl.requests.clear()
    again = silently(carl)
    [asked] = sent_to(carl, "/authorize")
    assert "response_mode=web_message" in asked and "prompt=none" in asked
    assert first != again and userinfo(domain, again) == 200
    assert carl.complaints == []


def test_after_a_reload_he_is_found_to_be_signed_in(carl: Person, origin: str, open_app: Any) -> None:
    sign_in(carl, origin, open_app)
    carl.page.goto(origin)
    open_app()
    carl.page.evaluate("auth0.checkSession()")
    assert carl.page.evaluate("auth0.getUser()")["name"] == "Carl Cole"


def test_who_is_not_signed_in_is_an_error_that_the_library_knows(carl: Person, open_app: Any) -> None:
    open_app()
    refused = silently(carl)
    assert refused["error"] == "login_required" and refused["text"]
    carl.page.evaluate("auth0.checkSession()")
    assert carl.page.evaluate("auth0.isAuthenticated()") is False


@pytest.mark.parametrize("body", ["form", "json"])
@pytest.mark.parametrize("cache", ["memory", "localstorage"])
def test_a_new_token_comes_silently_by_refresh_token(
    carl: Person, origin: str, domain: str, open_app: Any, cache: str, body: str
) -> None:
    """In memory the token lies in a worker, and the page never sees it."""
    settings = {"useRefreshTokens": True, "cacheLocation": cache, "useFormData": body == "form"}
    sign_in(carl, origin, open_app, **settings)
    carl.requests.clear()
    first, second = silently(carl), silently(carl)
    assert first != second and userinfo(domain, second) == 200
    assert sent_to(carl, "/authorize") == []
    assert carl.complaints == []


def test_an_ended_refresh_token_makes_the_library_ask_in_a_frame(
    house: House, carl: Person, origin: str, domain: str, open_app: Any
) -> None:
    """It looks for the words "invalid refresh token" in the description."""
    settings = {"useRefreshTokens": True, "useRefreshTokensFallback": True, "cacheLocation": "localstorage"}
    sign_in(carl, origin, open_app, **settings)
    stored = carl.page.evaluate("JSON.stringify(Object.values(localStorage))")
    token = stored[stored.index("ik_rt_") :].partition('\\"')[0]
    with http() as client:
        form = {"token": token, "client_id": "auth0-spa"}
        assert client.post(f"{domain}/oauth/revoke", data=form).status_code == 200
    carl.requests.clear()
    assert userinfo(domain, silently(carl)) == 200
    [asked] = sent_to(carl, "/authorize")
    assert "prompt=none" in asked


def test_the_library_gives_its_refresh_token_back(
    carl: Person, origin: str, domain: str, open_app: Any
) -> None:
    sign_in(carl, origin, open_app, useRefreshTokens=True, cacheLocation="localstorage")
    token = carl.page.evaluate("auth0.getTokenSilently()")
    carl.page.evaluate("auth0.revokeRefreshToken()")
    assert userinfo(domain, token) == 401
