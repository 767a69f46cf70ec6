"""The pages as a browser sees them: without JavaScript, by keyboard, under their own security policy."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.browser.person import Person, at
from tests.house import House

pytestmark = pytest.mark.browser

API = {
    "scope": "openid profile read:timesheets create:timesheets",
    "audience": "https://api.exampleco.test/timesheets",
}


class App(BaseHTTPRequestHandler):
    """Stands at the callbacks. `/onward` sends people on to another origin, `/frame?URL` frames a page."""

    elsewhere: str

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/onward":
            self.send_response(302)
            self.send_header("Location", f"{self.elsewhere}/arrived?{query}")
            self.end_headers()
            return
        frame = f'<iframe src="{query}"></iframe>' if path == "/frame" else ""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!doctype html><title>app</title><h1>The app</h1>{frame}".encode())

    def log_message(self, *words: Any) -> None:
        """Quiet."""


@contextmanager
def an_app(elsewhere: str = "") -> Generator[int]:
    handler = type("Handler", (App,), {"elsewhere": elsewhere})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def app(house: House) -> Generator[str]:
    """The origin of an app that is timesheets-web and paycheck at once."""
    with ExitStack() as stack:
        other = stack.enter_context(an_app())
        origin = f"http://localhost:{stack.enter_context(an_app(f'http://127.0.0.1:{other}'))}"
        for client_id in ("timesheets-web", "paycheck"):
            words = ("--add-callback", f"{origin}/callback", "--add-callback", f"{origin}/onward")
            house.command("app", "change", client_id, *words)
        yield origin


@pytest.fixture
def person(chromium: Browser, house: House) -> Generator[Person]:
    """Without JavaScript."""
    with at(chromium, house, java_script_enabled=False) as one:
        yield one


# ------------------------------------------------------------ without JavaScript, and by keyboard alone


def test_signing_in_consenting_and_denying_need_no_javascript(app: str, person: Person) -> None:
    person.authorize("paycheck", f"{app}/callback", **API | {"prompt": "consent"})
    person.sign_in("erin")
    person.page.wait_for_url("**/consent?*")
    person.page.uncheck("[value='create:timesheets']")
    person.page.click("#consent-allow")
    assert "code" in person.arrives_at(f"{app}/callback?")

    person.authorize("paycheck", f"{app}/callback", **API | {"prompt": "consent"})
    person.page.click("#consent-deny")
    answer = person.arrives_at(f"{app}/callback?error=")
    assert (answer["error"], answer["state"], answer["iss"]) == (
        "access_denied",
        "its state",
        person.house.issuer,
    )
    assert policy_violations(person) == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_app_on_another_site_signs_a_person_out(app: str, person: Person, method: str) -> None:
    """Its form brings no Lax cookie along; the person is signed out all the same, once they have said yes."""
    house, page = person.house, person.page
    house.command("app", "change", "timesheets-web", "--logout-callback", f"{app}/callback")
    person.authorize("timesheets-web", f"{app}/callback")
    person.sign_in("erin")
    person.arrives_at(f"{app}/callback?")
    fields = {"client_id": "timesheets-web", "post_logout_redirect_uri": f"{app}/callback", "state": "bye"}
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    form = f'<form method="{method}" action="{house.issuer}/oidc/logout">{inputs}<button id="out">Out</button></form>'
    page.route("http://127.0.0.1:9/**", lambda route: route.fulfill(body=form, content_type="text/html"))

    page.goto("http://127.0.0.1:9/")
    page.click("#out")
    page.click("#logout-cancel")
    assert "still signed in" in page.inner_text("h1")

    page.goto("http://127.0.0.1:9/")
    page.click("#out")
    person_named = page.inner_text(".account")
    page.click("#logout-confirm")
    assert person.arrives_at(f"{app}/callback?state=bye") == {"state": "bye"}
    assert "erin" in person_named
    person.authorize("timesheets-web", f"{app}/callback", prompt="none")
    assert person.arrives_at(f"{app}/callback?error=")["error"] == "login_required"
    assert policy_violations(person) == []


def test_the_sign_out_page_by_keyboard(app: str, person: Person) -> None:
    person.authorize("timesheets-web", f"{app}/callback")
    person.sign_in("erin")
    person.arrives_at(f"{app}/callback?")
    person.page.goto(f"{person.house.issuer}/sign-out")
    order = []
    for _ in range(2):
        person.page.keyboard.press("Tab")
        order.append(person.focus())
    assert order == ["logout-confirm", "logout-cancel"]
    person.page.focus("#logout-confirm")
    person.page.keyboard.press("Enter")
    person.page.wait_for_selector("#signed-out")
    person.page.go_back()
    person.page.reload()
    assert person.page.locator("#signed-out").count() == 1, "the page from before has nothing to ask any more"


def test_a_wrong_password_is_announced_and_the_name_is_kept(app: str, person: Person) -> None:
    person.authorize("timesheets-web", f"{app}/callback")
    person.page.fill("[name=username]", "mona")
    person.page.fill("[name=password]", "wrong")
    person.page.click("#login-submit")
    assert person.page.inner_text("[role=alert]")
    assert person.page.input_value("[name=username]") == "mona"
    assert person.page.input_value("[name=password]") == ""
    assert person.focus() == "password"


def test_the_sign_in_page_by_keyboard(app: str, person: Person) -> None:
    person.authorize("timesheets-web", f"{app}/callback")
    keyboard = person.page.keyboard
    assert person.focus() == "username", "typing can begin at once"
    keyboard.type("erin")
    order = []
    for _ in range(3):
        keyboard.press("Tab")
        order.append(person.focus())
    assert order == ["password", "login-submit", "login-cancel"]
    person.page.focus("#password")
    keyboard.type(person.house.password("erin"))
    keyboard.press("Enter")
    assert "code" in person.arrives_at(f"{app}/callback?"), "Enter signs in and does not cancel"


def test_the_consent_page_by_keyboard(app: str, person: Person) -> None:
    person.authorize("paycheck", f"{app}/callback", **API | {"prompt": "consent"})
    person.sign_in("mona")
    person.page.wait_for_url("**/consent?*")
    order = []
    for _ in range(6):
        person.page.keyboard.press("Tab")
        order.append(person.focus())
    boxes = [f"scope={scope}" for scope in API["scope"].split()[1:]]
    assert order == ["Not you?", *boxes, "consent-allow", "consent-deny"]
    person.page.focus("[value='create:timesheets']")
    person.page.keyboard.press("Space")
    assert not person.page.is_checked("[value='create:timesheets']")
    person.page.focus("#consent-allow")
    person.page.keyboard.press("Enter")
    assert "code" in person.arrives_at(f"{app}/callback?")


def test_not_you_leads_to_a_sign_in_for_somebody_else(app: str, person: Person) -> None:
    person.authorize("paycheck", f"{app}/callback", **API | {"prompt": "consent"})
    person.sign_in("erin")
    person.page.click("text=Not you?")
    person.page.wait_for_selector("#login-submit")
    person.sign_in("carl")
    person.page.wait_for_selector("#consent-allow")
    assert "Carl Cole" in person.page.inner_text(".account")


# ------------------------------------------------------------ what the browser is allowed


def policy_violations(person: Person) -> list[str]:
    return [complaint for complaint in person.complaints if "Content Security Policy" in complaint]


def test_the_pages_load_nothing_from_elsewhere_and_break_no_policy(app: str, person: Person) -> None:
    person.authorize("paycheck", f"{app}/callback", **API | {"prompt": "consent"})
    person.sign_in("mona")
    person.page.wait_for_url("**/consent?*")
    person.page.goto(person.house.issuer)
    person.authorize("nobody", f"{app}/callback")
    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in person.requests}
    assert origins == {person.house.issuer}
    assert policy_violations(person) == []


def test_an_app_may_send_people_on_to_another_origin_after_its_callback(app: str, person: Person) -> None:
    """Browsers hold form-action against every redirect that follows a form."""
    person.authorize("timesheets-web", f"{app}/onward")
    person.sign_in("erin")
    assert "code" in person.arrives_at("http://127.0.0.1:")
    assert person.page.url.partition("?")[0].endswith("/arrived")
    assert policy_violations(person) == []


def test_no_page_can_be_framed(app: str, chromium: Browser, house: House) -> None:
    with at(chromium, house) as person:
        framed = [
            person.authorize_url("timesheets-web", f"{app}/callback"),
            house.issuer,
            f"{house.issuer}/setup",
        ]
        for url in framed:
            person.complaints.clear()
            person.page.goto(f"{app}/frame?{url}")
            assert any("frame-ancestors" in complaint for complaint in person.complaints), url
            assert all(frame.locator("button").count() == 0 for frame in person.page.frames)


def test_a_form_that_is_posted_from_another_site_is_refused(
    app: str, chromium: Browser, house: House
) -> None:
    with at(chromium, house) as person:
        person.page.goto(app)
        person.page.set_content(
            f'<form method="post" action="{house.issuer}/sign-in"><input name="interaction" value="x">'
            '<input name="csrf" value="x"><button id="go">go</button></form>'
        )
        with person.page.expect_response(f"{house.issuer}/sign-in") as refused:
            person.page.click("#go")
        assert refused.value.status == 403
        person.page.wait_for_selector("#error-page")


# ------------------------------------------------------------ languages


@pytest.mark.parametrize(
    ("locale", "direction", "word"), [("de", "ltr", "Anmelden"), ("ar", "rtl", "تسجيل الدخول")]
)
def test_the_app_chooses_the_language(
    app: str, person: Person, locale: str, direction: str, word: str
) -> None:
    person.authorize(
        "paycheck", f"{app}/callback", **API | {"ui_locales": f"xx {locale}", "prompt": "consent"}
    )
    html = person.page.locator("html")
    assert (html.get_attribute("lang"), html.get_attribute("dir")) == (locale, direction)
    assert person.page.inner_text("#login-submit") == word
    person.sign_in("erin")
    person.page.wait_for_url("**/consent?*")
    assert (html.get_attribute("lang"), html.get_attribute("dir")) == (locale, direction)
    assert person.overflow() <= 0


def test_otherwise_the_browser_does(app: str, chromium: Browser, house: House) -> None:
    with at(chromium, house, locale="de-AT") as person:
        person.authorize("timesheets-web", f"{app}/callback")
        assert person.page.locator("html").get_attribute("lang") == "de"


# ------------------------------------------------------------ errors


def test_an_error_page_tells_the_developer_why_and_its_id_is_in_the_log(app: str, person: Person) -> None:
    person.authorize("timesheets-web", f"{app}/callback/")
    assert person.page.url.startswith(person.house.issuer), "no redirect to an address that is not registered"
    assert person.page.get_attribute("body", "id") == "error-page"
    shown = person.page.inner_text(".developer")
    assert "Cause" in shown and "Fix" in shown
    logged = person.house.event(error_id=person.page.inner_text("#error-id"))
    assert (logged["type"], logged["detail"] in shown) == ("request.failed", True)


def test_a_bookmarked_sign_in_page_says_where_to_start(person: Person) -> None:
    person.page.goto(f"{person.house.issuer}/sign-in")
    assert person.page.inner_text(".message")


def test_going_back_after_signing_in_and_reloading_are_survivable(app: str, person: Person) -> None:
    person.authorize("paycheck", f"{app}/callback", **API | {"prompt": "consent"})
    person.page.reload()
    person.sign_in("erin")
    person.page.wait_for_selector("#consent-allow")
    person.page.reload()
    person.page.go_back()
    person.page.wait_for_selector("#consent-allow, #login-submit")
    if person.page.locator("#login-submit").count():
        person.sign_in("erin")
    person.page.click("#consent-allow")
    assert "code" in person.arrives_at(f"{app}/callback?")


def test_two_sign_ins_in_parallel_tabs_do_not_disturb_each_other(
    app: str, chromium: Browser, house: House
) -> None:
    with at(chromium, house) as first:
        second = Person(first.page.context.new_page(), house)
        first.authorize("timesheets-web", f"{app}/callback", state="first")
        second.authorize("timesheets-web", f"{app}/callback", state="second")
        second.sign_in("erin")
        assert second.arrives_at(f"{app}/callback?")["state"] == "second"
        first.sign_in("erin")
        assert first.arrives_at(f"{app}/callback?")["state"] == "first"
