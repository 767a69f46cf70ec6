"""Every page in light and dark, wide and narrow: nothing sticks out, axe finds no barrier.

With INNKEEPER_SCREENSHOTS=FOLDER each of them is also photographed, for people to look at.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator
from itertools import product
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.person import Person, at
from tests.e2e import programs
from tests.house import House, http
from tests.serving import free_socket, port_of

pytestmark = pytest.mark.browser

WIDTHS = {1280: 800, 320: 640}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SEEN_BY_AXE = {(1280, "light"), (320, "dark")}
CALLBACKS = {
    "timesheets-web": "http://localhost:8000/auth/callback",
    "paycheck": "http://localhost:8002/auth/callback",
}
API = {
    "scope": "openid profile email read:timesheets create:timesheets",
    "audience": "https://api.exampleco.test/timesheets",
}
AUDIENCE = {"audience": API["audience"]}


@pytest.fixture
def setup_link(tmp_path: Path) -> Generator[str]:
    """Of a production server that has no administrator yet."""
    with free_socket() as listening:
        port = port_of(listening)
    data, issuer = tmp_path / "data", f"http://localhost:{port}"
    said = programs.innkeeper("init", "--issuer", issuer, data=data).stdout
    serve = [sys.executable, "-m", "innkeeper", "serve", "--port", str(port), "--data", str(data)]
    with programs.started(serve, data) as running:
        programs.wait_until(lambda: "serves" in running.err, running)
        yield next(word for word in said.split() if word.startswith(f"{issuer}/setup"))


@pytest.fixture(scope="module")
def axe(modules: Path) -> str:
    return (modules / "axe-core/axe.min.js").read_text(encoding="utf-8")


# ------------------------------------------------------------ the way to each page


def open_sign_in(person: Person, **changes: str) -> None:
    person.authorize("timesheets-web", CALLBACKS["timesheets-web"], **changes)


def fail_to_sign_in(person: Person) -> None:
    open_sign_in(person)
    person.page.fill("[name=username]", "erin")
    person.page.fill("[name=password]", "not hers")
    person.page.click("#login-submit")
    person.page.wait_for_selector("#problem")


def open_consent(person: Person, **changes: str) -> None:
    person.authorize("paycheck", CALLBACKS["paycheck"], **API | changes)
    person.sign_in("erin")
    person.page.wait_for_selector("#consent-allow")


def open_confirmation(person: Person) -> None:
    open_consent(person)
    person.authorize("timesheets-cli", "http://127.0.0.1:49152/callback")


def open_account(person: Person, **changes: str) -> None:
    open_consent(person)
    open_sign_in(person, prompt="select_account", **changes)
    person.page.wait_for_selector("#account-continue")


def open_error(person: Person) -> None:
    person.authorize("timesheets-web", "https://elsewhere.test/callback")


def open_form_post(person: Person, **changes: str) -> None:
    """Stopped on its way: the app's server does not answer, so the page stays."""
    person.page.route("**/auth/callback*", lambda route: route.abort("aborted"))
    open_sign_in(person, response_mode="form_post", **changes)
    person.page.click("#login-cancel")
    person.page.wait_for_selector("#form-post-continue")


def open_web_message(person: Person) -> None:
    """With nobody to tell, as when the app's window is gone."""
    asked = {"response_mode": "web_message", "prompt": "none"}
    person.authorize("timesheets-spa", "http://localhost:8001/popup.html", **asked)
    person.page.wait_for_selector("#web-message", state="attached")


def open_question(person: Person) -> None:
    """As somebody who is signed in already, by the link of a television."""
    open_sign_in(person)
    person.sign_in("erin")
    # Nobody listens at the app's address: the browser says so first, or its page would come in between.
    person.page.wait_for_url(lambda url: url.startswith("chrome-error:"), wait_until="commit")
    person.page.goto(device_codes(person.house)["verification_uri_complete"])
    person.page.wait_for_selector("#device-confirm")


def device_codes(house: House) -> dict[str, Any]:
    """What the television gets, of which it shows some."""
    form = {"client_id": "timesheets-tv", "scope": "openid profile offline_access read:timesheets"}
    with http() as television:
        codes: dict[str, Any] = television.post(
            f"{house.issuer}/oauth/device/code", data=form | AUDIENCE
        ).json()
    return codes


def open_device_consent(person: Person) -> None:
    person.house.command("api", "change", API["audience"], "--ask-consent")
    open_question(person)
    person.page.click("#device-confirm")
    person.page.wait_for_selector("#consent-allow")
    person.house.command("api", "change", API["audience"], "--skip-consent")


def open_sign_out(person: Person, **changes: str) -> None:
    open_consent(person)
    person.page.goto(f"{person.house.issuer}/oidc/logout?{urlencode({'client_id': 'paycheck', **changes})}")
    person.page.wait_for_selector("#logout-confirm")


def sign_out(person: Person) -> None:
    open_sign_out(person)
    person.page.click("#logout-confirm")
    person.page.wait_for_selector("#signed-out")


def stay_signed_in(person: Person) -> None:
    open_sign_out(person)
    person.page.click("#logout-cancel")
    person.page.wait_for_selector(".message")


def open_sign_out_error(person: Person) -> None:
    query = urlencode({"client_id": "paycheck", "post_logout_redirect_uri": "https://elsewhere.test/"})
    person.page.goto(f"{person.house.issuer}/oidc/logout?{query}")


PAGES: dict[str, Callable[[Person], None]] = {
    "sign-in": open_sign_in,
    "wrong-password": fail_to_sign_in,
    "consent": open_consent,
    "confirm": open_confirmation,
    "account": open_account,
    "account-ar": lambda person: open_account(person, ui_locales="ar"),
    "device": lambda person: void(person.page.goto(f"{person.house.issuer}/device")),
    "device-wrong": lambda person: void(
        person.page.goto(f"{person.house.issuer}/device?user_code=BCDF-GHJK")
    ),
    "device-question": open_question,
    "device-consent": open_device_consent,
    "device-connected": lambda person: void(person.page.goto(f"{person.house.issuer}/device/connected")),
    "error": open_error,
    "home": lambda person: void(person.page.goto(person.house.issuer)),
    "notice": lambda person: void(person.page.goto(f"{person.house.issuer}/sign-in")),
    "form-post": open_form_post,
    "web-message": open_web_message,
    "form-post-ar": lambda person: open_form_post(person, ui_locales="ar"),
    "sign-out": open_sign_out,
    "signed-out": sign_out,
    "still-signed-in": stay_signed_in,
    "sign-out-error": open_sign_out_error,
    "sign-out-ar": lambda person: open_sign_out(person, ui_locales="ar"),
    "sign-in-de": lambda person: open_sign_in(person, ui_locales="de"),
    "consent-ar": lambda person: open_consent(person, ui_locales="ar"),
}


def void(_: object) -> None:
    """For a road of one step."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier_and_fits(name: str, house: House, chromium: Browser, axe: str) -> None:
    with at(chromium, house) as person:
        PAGES[name](person)
        look_at(person, name, axe)


@pytest.mark.parametrize(("language", "direction"), [("de", "ltr"), ("ar", "rtl")])
def test_the_pages_of_a_device_speak_the_browsers_language(
    language: str, direction: str, house: House, chromium: Browser, axe: str
) -> None:
    with at(chromium, house, locale=language) as person:
        person.page.goto(f"{house.issuer}/device?user_code=BCDF-GHJK")
        assert person.page.locator(f"html[lang={language}][dir={direction}]").count() == 1
        look_at(person, f"device-wrong-{language}", axe)
        open_question(person)
        look_at(person, f"device-question-{language}", axe)


def test_a_device_is_connected_by_the_keyboard_alone_and_without_javascript(
    house: House, chromium: Browser
) -> None:
    with at(chromium, house, java_script_enabled=False) as person:
        codes = device_codes(house)
        page = person.page
        page.goto(codes["verification_uri"])
        # The page puts the cursor there by itself, but not always before it counts as loaded.
        page.wait_for_selector("[name=user_code]:focus")
        page.keyboard.type(codes["user_code"].lower())
        page.keyboard.press("Enter")
        page.wait_for_selector("#device-confirm")
        page.wait_for_load_state()
        for _ in range(20):
            if page.locator("#device-confirm:focus").count():
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        person.sign_in("erin")
        page.wait_for_url("**/device/connected")


def test_the_setup_page_has_no_barrier_and_makes_one_administrator(
    setup_link: str, house: House, chromium: Browser, axe: str
) -> None:
    with at(chromium, house) as person:
        person.page.goto(setup_link)
        person.page.wait_for_selector("#setup-submit")
        look_at(person, "setup", axe)
        fields = {"username": "root", "email": "root@exampleco.test", "password": "mallow teapot orbit fence"}
        for name, value in fields.items():
            person.page.fill(f"[name={name}]", value)
        person.page.click("#setup-submit")
        person.page.wait_for_selector(".message")
        assert person.page.locator("#error-page").count() == 0
        person.page.goto(setup_link)
        assert person.page.locator("#error-page").count() == 1, "the link works once"


def test_a_page_without_javascript_is_the_very_same(house: House, chromium: Browser) -> None:
    with at(chromium, house, java_script_enabled=False) as person:
        open_sign_in(person)
        without = drawn(person.page)
        photograph(person.page, "sign-in-no-javascript")
    with at(chromium, house) as person:
        open_sign_in(person)
        assert drawn(person.page) == without


def drawn(page: Page) -> str:
    """The document without the values that are new each time."""
    return re.sub(r'value="[^"]*"', "", page.content())


# ------------------------------------------------------------ looking


def look_at(person: Person, name: str, axe: str) -> None:
    """Fits and can be photographed in every combination; axe sees each width and each theme once."""
    page = person.page
    page.emulate_media(reduced_motion="reduce")  # no colour half-way between two themes
    page.evaluate(axe)
    for (width, height), theme in product(WIDTHS.items(), THEMES):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme)
        photograph(page, f"{name}-{theme}-{width}")
        assert person.overflow() <= 0, f"wider than {width} px"
        if (width, theme) in SEEN_BY_AXE:
            assert barriers(page) == [], f"{theme}, {width} px"
    assert not [complaint for complaint in person.complaints if "Content Security Policy" in complaint]


def photograph(page: Page, name: str) -> None:
    folder = os.environ.get("INNKEEPER_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def barriers(page: Page) -> list[Any]:
    """What axe finds against WCAG 2.2 AA and its own good practice."""
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
