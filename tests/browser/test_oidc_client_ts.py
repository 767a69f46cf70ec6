"""oidc-client-ts, as npm has it, signs carl in and calls the API from the browser."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from examples.timesheets_api.app import AUDIENCE
from examples.timesheets_api.app import create_app as create_api
from examples.timesheets_spa.__main__ import server as sample_server
from innkeeper.resource_server import Guard
from tests.browser import npm_packages
from tests.browser.bare_app import blank_pages, running
from tests.browser.person import Person, at
from tests.house import House
from tests.serving import free_socket, served

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "examples/timesheets_spa/src/main.js"
PROFILE = "openid profile email"
ONLY_THE_LIBRARY = 'import {UserManager} from "oidc-client-ts"; window.UserManager = UserManager;'


@dataclass(frozen=True)
class Apps:
    """The sample app, a page with nothing but the library, and the API that both may call."""

    sample: str
    bare: str
    api: str


@pytest.fixture(scope="module")
def config(house: House) -> dict[str, str]:
    """What the sample app reads at every load; a test may change it."""
    return {"issuer": house.issuer, "client_id": "timesheets-spa"}


@pytest.fixture(scope="module")
def apps(
    house: House, modules: Path, config: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[Apps]:
    """On free ports that the running server has been told about."""
    folder = tmp_path_factory.mktemp("apps")
    whole = npm_packages.bundled(modules, SAMPLE.read_text(encoding="utf-8"), folder / "sample.js")
    bare_bundle = npm_packages.bundled(modules, ONLY_THE_LIBRARY, folder / "bare.js")
    with ExitStack() as stack:
        sample = stack.enter_context(running(sample_server(config, whole, port=0)))
        bare = stack.enter_context(running(blank_pages(bare_bundle)))
        callbacks = [f"{sample}/callback.html", f"{sample}/popup.html", f"{bare}/callback"]
        words = [word for callback in callbacks for word in ("--add-callback", callback)]
        house.command("app", "change", "timesheets-spa", *words)
        guard = Guard(issuer=house.issuer, audience=AUDIENCE)
        api_app = create_api(guard, folder / "timesheets.sqlite", origins=(sample, bare))
        api = stack.enter_context(served(api_app, free_socket()))
        yield Apps(sample=sample, bare=bare, api=api)


@pytest.fixture
def carl(chromium: Browser, house: House) -> Generator[Person]:
    with at(chromium, house) as person:
        yield person


# ------------------------------------------------------------ with default settings


def test_signin_redirect_with_default_settings_brings_his_claims(
    house: House, apps: Apps, carl: Person
) -> None:
    carl.page.goto(apps.bare)
    settings = {
        "authority": house.issuer,
        "client_id": "timesheets-spa",
        "redirect_uri": f"{apps.bare}/callback",
        "scope": PROFILE,
    }
    carl.page.evaluate("settings => void new UserManager(settings).signinRedirect()", settings)
    carl.page.wait_for_url(f"{house.issuer}/sign-in?*")
    carl.sign_in("carl")
    carl.arrives_at(f"{apps.bare}/callback?")
    user = carl.page.evaluate(
        "async settings => { const manager = new UserManager(settings); await manager.signinCallback();"
        " const user = await manager.getUser();"
        " return {profile: user.profile, type: user.token_type, expired: user.expired} }",
        settings,
    )
    assert (user["profile"]["name"], user["profile"]["email"]) == ("Carl Cole", "carl@exampleco.test")
    assert (user["type"], user["expired"]) == ("Bearer", False)
    assert carl.complaints == []


# ------------------------------------------------------------ the sample app, which loads user info


@pytest.fixture
def asks(config: dict[str, str], apps: Apps) -> Any:
    """Sets what the sample app asks for."""

    def ask(scope: str, audience: str = "") -> None:
        config.update(scope=scope, audience=audience, api=apps.api)

    return ask


def open_sample(apps: Apps, person: Person) -> None:
    person.page.goto(apps.sample)
    person.page.wait_for_selector("body[data-ready=yes]")


def sign_in_by_redirect(apps: Apps, person: Person) -> dict[str, Any]:
    open_sample(apps, person)
    person.page.click("#signin")
    person.page.wait_for_url(f"{person.house.issuer}/sign-in?*")
    person.sign_in("carl")
    person.page.wait_for_url(f"{apps.sample}/")
    person.page.wait_for_selector("#signed-in:not([hidden])")
    return person.page.evaluate("manager.getUser().then(user => user.profile)")


def test_the_sample_app_signs_him_in_by_redirect(apps: Apps, asks: Any, carl: Person) -> None:
    asks(f"{PROFILE} phone")
    profile = sign_in_by_redirect(apps, carl)
    assert (profile["name"], profile["email"]) == ("Carl Cole", "carl@exampleco.test")
    assert profile["phone_number"] == "+12025550104"
    assert carl.page.inner_text("#name") == "Carl Cole"
    assert carl.complaints == []


def test_the_sample_app_signs_him_in_by_a_pop_up_and_again_without_a_page(
    house: House, apps: Apps, asks: Any, carl: Person
) -> None:
    asks(PROFILE)
    open_sample(apps, carl)
    with carl.page.expect_popup() as opened:
        carl.page.click("#signin-popup")
    popup = Person(opened.value, house)
    popup.page.wait_for_url(f"{house.issuer}/sign-in?*")
    with popup.page.expect_event("close"):
        popup.sign_in("carl")
    carl.page.wait_for_selector("#signed-in:not([hidden])")
    assert carl.page.inner_text("#name") == "Carl Cole"
    profile = carl.page.evaluate("manager.getUser().then(user => user.profile)")
    assert profile["email"] == "carl@exampleco.test"

    carl.page.click("#signout")
    carl.page.wait_for_selector("#signed-out:not([hidden])")
    with carl.page.expect_popup():
        carl.page.click("#signin-popup")
    carl.page.wait_for_selector("#signed-in:not([hidden])")
    assert carl.complaints == []


# ------------------------------------------------------------ the API, from the browser


def call_api(person: Person) -> str:
    person.page.click("#call-api")
    person.page.wait_for_function("document.getElementById('answer').textContent !== ''")
    return person.page.inner_text("#answer")


def test_the_api_answers_him_with_the_scope(apps: Apps, asks: Any, carl: Person) -> None:
    asks(f"{PROFILE} read:timesheets delete:timesheets", AUDIENCE)
    sign_in_by_redirect(apps, carl)
    assert call_api(carl) == '200 {"timesheets":[]}'
    scope = carl.page.evaluate("manager.getUser().then(user => user.scope)")
    assert scope.split() == [*PROFILE.split(), "read:timesheets"], "carl may not delete"


def test_the_api_refuses_him_without_the_scope_and_without_a_token(
    apps: Apps, asks: Any, carl: Person
) -> None:
    asks(f"{PROFILE} create:timesheets", AUDIENCE)
    sign_in_by_redirect(apps, carl)
    assert call_api(carl).startswith("403 ") and "insufficient_scope" in call_api(carl)
    refused = carl.page.evaluate(
        "async url => { const answer = await fetch(url);"
        " return [answer.status, answer.headers.get('www-authenticate')] }",
        f"{apps.api}/timesheets",
    )
    assert refused[0] == 401 and refused[1].startswith("Bearer")


def test_another_origin_may_not_read_what_the_token_endpoint_answers(
    house: House, apps: Apps, carl: Person
) -> None:
    """Only origins of the app itself are told to the browser as allowed."""
    carl.page.goto(f"{apps.api}/me")
    failed = carl.page.evaluate(
        "async url => { const body = new URLSearchParams({grant_type: 'authorization_code',"
        " client_id: 'timesheets-spa', code: 'x', redirect_uri: 'x', code_verifier: 'x'});"
        " try { await fetch(url, {method: 'POST', body}); return null } catch (error) { return error.name } }",
        f"{house.issuer}/oauth/token",
    )
    assert failed == "TypeError"
    assert any("CORS" in complaint for complaint in carl.complaints)
