"""Answers that are a page, as a browser carries them: form_post and web_message, under their own policy."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.person import Person, at
from tests.house import House

pytestmark = pytest.mark.browser

AWKWARD = "its 'own' \"state\" <b>&amp; ü+%20"


class App(BaseHTTPRequestHandler):
    """Takes what is posted to it and sends people on: to its own page, or by a page of its own to `onward`."""

    onward: str
    taken: list[dict[str, str]]
    asked: list[tuple[str, str, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.taken.append({name: values[0] for name, values in parse_qs(body).items()})
        self.asked.append(("POST", self.path, self.headers.get("Referer", "")))
        if self.path == "/away":
            self.answer(f'<meta http-equiv="refresh" content="0;url={self.onward}">')
            return
        self.send_response(303)
        self.send_header("Location", "/home")
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path, self.headers.get("Referer", "")))
        self.answer("")

    def answer(self, more: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!doctype html><title>app</title>{more}<h1>The app</h1>".encode())

    def log_message(self, *words: Any) -> None:
        """Quiet."""


class Running:
    """An app on a port of its own."""

    def __init__(self, port: int, handler: type[App]) -> None:
        self.origin = f"http://localhost:{port}"
        self.taken = handler.taken
        self.asked = handler.asked


@contextmanager
def an_app(onward: str = "") -> Generator[Running]:
    handler = type("Handler", (App,), {"onward": onward, "taken": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Running(server.server_address[1], handler)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def other() -> Generator[Running]:
    """Nobody's app."""
    with an_app() as running:
        yield running


@pytest.fixture(scope="module")
def app(house: House, other: Running) -> Generator[Running]:
    """timesheets-web and timesheets-spa at once, with every way to answer."""
    with an_app(f"{other.origin}/arrived") as running:
        callbacks = (
            "--add-callback",
            f"{running.origin}/callback",
            "--add-callback",
            f"{running.origin}/away",
        )
        grants = ("--grant-type", "authorization_code", "--grant-type", "implicit")
        house.command("app", "change", "timesheets-web", *callbacks, *grants)
        house.command("app", "change", "timesheets-spa", *callbacks, "--origin", running.origin)
        yield running


def by_form(person: Person, app: Running, path: str = "/callback", **changes: str) -> None:
    sent = {"response_mode": "form_post", "state": AWKWARD} | changes
    person.authorize("timesheets-web", f"{app.origin}{path}", **sent)


def policy_violations(person: Person) -> list[str]:
    return [text for text in person.complaints if "Content Security Policy" in text]


# ------------------------------------------------------------ form_post


def test_an_answer_is_posted_by_itself_and_stands_in_no_address(
    app: Running, house: House, chromium: Browser
) -> None:
    with at(chromium, house) as person:
        by_form(person, app, response_type="code id_token", nonce="n-1")
        person.sign_in("erin")
        person.page.wait_for_url(f"{app.origin}/home")
        answer = app.taken[-1]
        assert answer.keys() == {"code", "id_token", "state", "iss"}
        assert (answer["state"], answer["iss"]) == (AWKWARD, house.issuer)
        assert not [url for url in person.requests if answer["code"] in url or answer["id_token"] in url]
        assert ("POST", "/callback", "") in app.asked, "nothing of us is told"
        assert policy_violations(person) == []


def test_without_javascript_a_button_carries_the_answer(
    app: Running, house: House, chromium: Browser
) -> None:
    with at(chromium, house, java_script_enabled=False) as person:
        by_form(person, app)
        person.sign_in("erin")
        person.page.wait_for_selector("#form-post-continue")
        assert person.page.is_visible("#form-post-continue")
        person.page.focus("#form-post-continue")
        person.page.keyboard.press("Enter")
        person.page.wait_for_url(f"{app.origin}/home")
        assert app.taken[-1]["state"] == AWKWARD and "code" in app.taken[-1]


@pytest.mark.parametrize("has_javascript", [True, False])
def test_a_no_is_posted_too(app: Running, house: House, chromium: Browser, has_javascript: bool) -> None:
    with at(chromium, house, java_script_enabled=has_javascript) as person:
        by_form(person, app)
        person.page.click("#login-cancel")
        if not has_javascript:
            person.page.click("#form-post-continue")
        person.page.wait_for_url(f"{app.origin}/home")
        assert app.taken[-1]["error"] == "access_denied"


def test_somebody_who_is_signed_in_sees_no_page_of_ours(
    app: Running, house: House, chromium: Browser
) -> None:
    with at(chromium, house) as person:
        for _ in range(2):
            person.page.goto("about:blank")
            by_form(person, app)
            if "/sign-in" in person.page.url:
                person.sign_in("erin")
            person.page.wait_for_url(f"{app.origin}/home")
        assert policy_violations(person) == []


def test_an_app_may_send_people_on_to_another_origin_by_a_page_of_its_own(
    app: Running, other: Running, house: House, chromium: Browser
) -> None:
    with at(chromium, house) as person:
        by_form(person, app, path="/away")
        person.sign_in("erin")
        person.page.wait_for_url(f"{other.origin}/arrived")
        assert policy_violations(person) == []


# ------------------------------------------------------------ web_message

LISTEN = "window.got = []; addEventListener('message', event => got.push([event.origin, event.data]))"
FRAME = """url => new Promise(done => {
  const frame = document.createElement('iframe'); frame.onload = () => done(); frame.src = url;
  document.body.append(frame);
})"""


def silent_url(person: Person, app: Running, **changes: str) -> str:
    sent = {"response_mode": "web_message", "prompt": "none"} | changes
    return person.authorize_url("timesheets-spa", f"{app.origin}/callback", **sent)


def sign_in_at(person: Person, app: Running) -> None:
    person.authorize("timesheets-spa", f"{app.origin}/callback")
    person.sign_in("erin")
    person.page.wait_for_url(f"{app.origin}/callback?*")


def opened(page: Page, origin: str) -> None:
    page.goto(f"{origin}/page")
    page.evaluate(LISTEN)


def test_a_frame_tells_the_app_silently(app: Running, house: House, chromium: Browser) -> None:
    with at(chromium, house) as person:
        opened(person.page, app.origin)
        person.page.evaluate(FRAME, silent_url(person, app, state=AWKWARD))
        person.page.wait_for_function("got.length === 1")
        [(origin, data)] = person.page.evaluate("got")
        assert origin == house.issuer and data["type"] == "authorization_response"
        assert data["response"]["error"] == "login_required", "nobody is signed in"

        sign_in_at(person, app)
        opened(person.page, app.origin)
        person.page.evaluate(FRAME, silent_url(person, app, state=AWKWARD))
        person.page.wait_for_function("got.length === 1")
        [(origin, data)] = person.page.evaluate("got")
        assert origin == house.issuer
        assert data["response"].keys() == {"code", "state", "iss"}
        assert data["response"]["state"] == AWKWARD
        assert policy_violations(person) == []


def test_another_origin_gets_no_frame_and_no_message(
    app: Running, other: Running, house: House, chromium: Browser
) -> None:
    with at(chromium, house) as person:
        sign_in_at(person, app)
        opened(person.page, other.origin)
        person.page.evaluate(FRAME, silent_url(person, app))
        assert person.page.evaluate("got") == []
        assert any("frame-ancestors" in text for text in policy_violations(person))

        with person.page.expect_popup() as opening:
            person.page.evaluate("url => void open(url)", silent_url(person, app))
        popup = opening.value
        popup.wait_for_selector("#web-message", state="attached")
        person.page.wait_for_timeout(200)
        assert person.page.evaluate("got") == []


def test_a_window_signs_in_and_tells_the_app(app: Running, house: House, chromium: Browser) -> None:
    with at(chromium, house) as person:
        opened(person.page, app.origin)
        url = silent_url(person, app, prompt="login")
        with person.page.expect_popup() as opening:
            person.page.evaluate("url => void open(url)", url)
        window = Person(opening.value, house)
        window.sign_in("erin")
        person.page.wait_for_function("got.length === 1")
        [(origin, data)] = person.page.evaluate("got")
        assert origin == house.issuer and "code" in data["response"]
        assert policy_violations(window) == []
