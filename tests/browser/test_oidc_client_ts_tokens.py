"""oidc-client-ts, as npm has it, keeps carl signed in, finds out a thief, and signs him out (E1 T18, T19, T22, T23)."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from examples.timesheets_api.app import AUDIENCE
from innkeeper.jose import base64url
from tests.browser import npm_packages
from tests.browser.bare_app import blank_pages, running
from tests.browser.person import Person, at
from tests.house import House, http

pytestmark = pytest.mark.browser

# As its documentation has it: the page that comes back in a hidden frame tells the window that asked.
ENTRY = """
import { UserManager, WebStorageStateStore } from "oidc-client-ts";
window.use = (settings) => {
  const userStore = new WebStorageStateStore({ store: window.localStorage });
  window.manager = new UserManager({ ...settings, userStore, filterProtocolClaims: false });
};
if (window.parent !== window) {
  const back = new UserManager({});
  location.pathname === "/goodbye" ? back.signoutSilentCallback() : back.signinSilentCallback();
}
"""
OFFLINE = "openid profile offline_access read:timesheets"
USER = (
    "user => ({access: user.access_token, refresh: user.refresh_token, id: user.id_token, who: user.profile})"
)
FAILURE = "error => ({error: error.error ?? error.message})"


@pytest.fixture(scope="module")
def origin(house: House, modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Of a page that three apps share: one with the usual overlap, one without any, one that knows where to go."""
    bundle = npm_packages.bundled(modules, ENTRY, tmp_path_factory.mktemp("apps") / "bundle.js")
    house.command("api", "change", AUDIENCE, "--token-lifetime", "60")
    with running(blank_pages(bundle)) as at_origin:
        create = ("app", "create", "--type", "spa", "--callback", f"{at_origin}/callback")
        house.command(*create, "tabs")
        house.command(*create, "strict", "--refresh-overlap", "0s")
        house.command(*create, "leaver", "--logout-callback", f"{at_origin}/goodbye")
        yield at_origin


@dataclass(frozen=True)
class Tab:
    """A page of the app with a user manager on it."""

    page: Page
    settings: dict[str, Any]

    def open(self) -> None:
        self.page.goto(self.settings["redirect_uri"].rpartition("/")[0])
        self.page.evaluate("settings => use(settings)", self.settings)

    def call(self, method: str, *arguments: Any) -> Any:
        """The user it answers, or the error it throws."""
        return self.page.evaluate(
            f"given => manager.{method}(...given).then(user => user && ({USER})(user), {FAILURE})",
            list(arguments),
        )

    def begin(self, method: str) -> None:
        """`call` without waiting; `outcome` tells."""
        self.page.evaluate(
            f"void (window.pending = manager.{method}().then(user => ({USER})(user), {FAILURE}))"
        )

    def outcome(self) -> Any:
        return self.page.evaluate("pending")

    def sign_in(self, person: Person) -> Any:
        """By redirect, with a page the first time."""
        self.open()
        self.page.evaluate("void manager.signinRedirect()")
        self.page.wait_for_url(lambda url: "/sign-in?" in url or "/callback?" in url)
        if "/sign-in?" in self.page.url:
            person.sign_in("carl")
        self.page.wait_for_url(f"{self.settings['redirect_uri']}?*")
        self.page.evaluate("settings => use(settings)", self.settings)
        return self.call("signinCallback")


def a_tab(person: Person, origin: str, client_id: str, *, page: Page | None = None, **more: Any) -> Tab:
    settings = {
        "authority": person.house.issuer,
        "client_id": client_id,
        "redirect_uri": f"{origin}/callback",
        "silent_redirect_uri": f"{origin}/callback",
        "post_logout_redirect_uri": f"{origin}/goodbye",
        "scope": OFFLINE,
        "extraQueryParams": {"audience": AUDIENCE},
    }
    return Tab(page or person.page, settings | more)


@pytest.fixture
def carl(chromium: Browser, house: House) -> Generator[Person]:
    with at(chromium, house) as person:
        yield person


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".")[1]))
    return found


def refresh(house: House, client_id: str, token: str) -> tuple[int, dict[str, Any]]:
    """By somebody who has the token, and no browser of carl's."""
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
    with http() as client:
        answer = client.post(f"{house.issuer}/oauth/token", data=form)
    return answer.status_code, answer.json()


def userinfo(house: House, access_token: str) -> int:
    with http() as client:
        headers = {"authorization": f"Bearer {access_token}"}
        return client.get(f"{house.issuer}/userinfo", headers=headers).status_code


# ------------------------------------------------------------ without a page


def test_signin_silent_in_a_frame_brings_the_same_session(carl: Person, origin: str) -> None:
    tab = a_tab(carl, origin, "tabs", scope="openid profile")
    first = tab.sign_in(carl)
    assert first.get("refresh") is None
    again = tab.call("signinSilent")
    assert again["access"] != first["access"]
    names = ("sub", "sid", "auth_time")
    assert [again["who"][name] for name in names] == [first["who"][name] for name in names]
    assert carl.complaints == []


def test_signin_silent_in_a_frame_says_that_nobody_is_signed_in(carl: Person, origin: str) -> None:
    tab = a_tab(carl, origin, "tabs")
    tab.open()
    assert tab.call("signinSilent") == {"error": "login_required"}


def test_T18_signin_silent_by_refresh_token_renews_and_keeps_the_time_of_sign_in(
    carl: Person, origin: str
) -> None:
    tab = a_tab(carl, origin, "tabs")
    first = tab.sign_in(carl)
    assert claims(first["access"])["exp"] - claims(first["access"])["iat"] == 60
    carl.requests.clear()
    again = tab.call("signinSilent")
    assert [url for url in carl.requests if "/authorize" in url] == []
    assert f"{carl.house.issuer}/oauth/token" in carl.requests
    assert again["refresh"] not in (first["refresh"], None) and again["access"] != first["access"]
    assert again["id"] != first["id"]
    assert claims(again["id"])["auth_time"] == claims(first["id"])["auth_time"]
    assert carl.complaints == []


# ------------------------------------------------------------ two tabs


def refresh_at_once(tabs: tuple[Tab, Tab]) -> list[Any]:
    """Both requests are on their way, with the same token, before either is answered."""
    held: list[Route] = []
    context = tabs[0].page.context

    def hold(route: Route) -> None:
        held.append(route)
        if len(held) == len(tabs):
            for one in held:
                one.continue_()

    context.route("**/oauth/token", hold)
    for tab in tabs:
        tab.begin("signinSilent")
    outcomes = [tab.outcome() for tab in tabs]
    context.unroute("**/oauth/token")
    assert len(held) == len(tabs)
    return outcomes


def two_tabs(carl: Person, origin: str, client_id: str) -> tuple[Tab, Tab]:
    first = a_tab(carl, origin, client_id)
    first.sign_in(carl)
    second = a_tab(carl, origin, client_id, page=carl.page.context.new_page())
    second.open()
    return first, second


def test_T19_two_tabs_that_refresh_at_once_get_the_same_token_and_carl_stays_in(
    carl: Person, origin: str
) -> None:
    tabs = two_tabs(carl, origin, "tabs")
    one, other = refresh_at_once(tabs)
    assert one["refresh"] == other["refresh"] is not None
    assert userinfo(carl.house, one["access"]) == userinfo(carl.house, other["access"]) == 200
    for tab in (*tabs, *tabs):
        assert "error" not in tab.call("signinSilent")
    assert "error" not in refresh_at_once(tabs)[0]


def test_T19_without_an_overlap_the_second_tab_is_a_replay_and_both_sign_in_again(
    carl: Person, origin: str
) -> None:
    tabs = two_tabs(carl, origin, "strict")
    outcomes = refresh_at_once(tabs)
    assert sorted("error" in outcome for outcome in outcomes) == [False, True]
    for tab in tabs:
        assert tab.call("signinSilent") == {"error": "invalid_grant"}
    carl.house.event(type="refresh.reused", client_id="strict")
    assert "error" not in tabs[0].sign_in(carl)
    assert "error" not in tabs[1].call("signinSilent")


# ------------------------------------------------------------ a thief


def test_T22_a_thief_who_comes_late_ends_the_family_and_no_other(
    chromium: Browser, house: House, carl: Person, origin: str
) -> None:
    tab = a_tab(carl, origin, "tabs")
    stolen = tab.sign_in(carl)["refresh"]
    with at(chromium, house) as elsewhere:
        other = a_tab(elsewhere, origin, "tabs")
        other.sign_in(elsewhere)
        tab.call("signinSilent")
        newest = tab.call("signinSilent")
        assert refresh(house, "tabs", stolen)[1]["error"] == "invalid_grant"
        assert tab.call("signinSilent") == {"error": "invalid_grant"}
        assert userinfo(house, newest["access"]) == 401
        event = house.event(type="refresh.reused", client_id="tabs", user_id=newest["who"]["sub"])
        assert event["ip"] in ("127.0.0.1", "::1")
        assert "error" not in other.call("signinSilent")


def test_T23_a_thief_who_comes_first_loses_it_when_carl_comes(
    house: House, carl: Person, origin: str
) -> None:
    tab = a_tab(carl, origin, "strict")
    stolen = tab.sign_in(carl)["refresh"]
    status, taken = refresh(house, "strict", stolen)
    assert (status, userinfo(house, taken["access_token"])) == (200, 200)
    assert tab.call("signinSilent") == {"error": "invalid_grant"}
    assert refresh(house, "strict", taken["refresh_token"])[1]["error"] == "invalid_grant"
    assert userinfo(house, taken["access_token"]) == 401
    lifetime = claims(taken["access_token"])["exp"] - claims(taken["access_token"])["iat"]
    assert lifetime == 60, "an API that does not ask us believes it no longer than this"


# ------------------------------------------------------------ the end


def test_revoke_tokens_ends_both_and_the_browser_may_do_it(house: House, carl: Person, origin: str) -> None:
    tab = a_tab(carl, origin, "tabs")
    had = tab.sign_in(carl)
    assert tab.call("revokeTokens") is None
    assert userinfo(house, had["access"]) == 401
    assert refresh(house, "tabs", had["refresh"])[1]["error"] == "invalid_grant"
    assert tab.call("getUser")["refresh"] is None
    assert carl.complaints == []


def test_signout_redirect_ends_the_session_and_comes_back_to_the_app(carl: Person, origin: str) -> None:
    tab = a_tab(carl, origin, "leaver", scope="openid profile")
    tab.sign_in(carl)
    tab.page.evaluate("void manager.signoutRedirect({state: 'what I was doing'})")
    told = carl.arrives_at(f"{origin}/goodbye?")
    tab.page.evaluate("settings => use(settings)", tab.settings)
    state = tab.page.evaluate("manager.signoutCallback().then(answer => answer.userState)")
    assert (set(told), state) == ({"state"}, "what I was doing")
    assert tab.call("getUser") is None
    assert tab.call("signinSilent") == {"error": "login_required"}
    assert carl.complaints == []


def test_signout_redirect_to_an_address_that_nobody_registered_goes_nowhere_until_he_says_so(
    house: House, carl: Person, origin: str
) -> None:
    tab = a_tab(carl, origin, "leaver", post_logout_redirect_uri=f"{origin}/elsewhere")
    tab.sign_in(carl)
    tab.page.evaluate("void manager.signoutRedirect()")
    tab.page.click("a.button")
    tab.page.click("#logout-confirm")
    tab.page.wait_for_selector("#signed-out")
    assert tab.page.url.startswith(f"{house.issuer}/")
    tab.open()
    assert tab.call("signinSilent", {"forceIframeAuth": True}) == {"error": "login_required"}


def test_signout_in_a_pop_up_closes_it(carl: Person, origin: str) -> None:
    tab = a_tab(carl, origin, "leaver", popup_post_logout_redirect_uri=f"{origin}/goodbye")
    tab.sign_in(carl)
    with carl.page.expect_popup() as opened:
        carl.page.evaluate("void (window.pending = manager.signoutPopup())")
    popup = opened.value
    popup.wait_for_url(f"{origin}/goodbye?*")
    with popup.expect_event("close"):
        popup.evaluate("settings => { use(settings); void manager.signoutCallback() }", tab.settings)
    carl.page.evaluate("pending")
    assert tab.call("signinSilent", {"forceIframeAuth": True}) == {"error": "login_required"}


def test_signout_in_a_frame_needs_no_page(carl: Person, origin: str) -> None:
    tab = a_tab(carl, origin, "leaver", silent_post_logout_redirect_uri=f"{origin}/goodbye")
    tab.sign_in(carl)
    assert tab.call("signoutSilent") is None
    assert tab.call("signinSilent", {"forceIframeAuth": True}) == {"error": "login_required"}
