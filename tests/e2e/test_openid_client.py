"""openid-client, as npm has it, drives every flow from Node against a running server."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from examples.timesheets_api.app import AUDIENCE
from tests.browser import npm_packages
from tests.e2e.http_browser import HttpBrowser
from tests.e2e.node_client import ClientRefusedError, Library, NodeApp, landing, openid_client
from tests.house import House, a_house
from tests.serving import free_socket, port_of, served

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("openid-client")]

OFFLINE = "openid profile email offline_access read:timesheets"
USER_GRANTS = ("authorization_code", "refresh_token", "implicit", "client_credentials")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """With the flows that new apps should not use."""
    with a_house(tmp_path_factory.mktemp("house"), "--legacy") as running:
        yield running


@dataclass(frozen=True)
class Office:
    """The apps that use the library, and where their people land."""

    apps: dict[str, NodeApp]
    callback: str

    def __getitem__(self, method: str) -> NodeApp:
        return self.apps[method]


@pytest.fixture(scope="module")
def library(node_path: Path, npm_path: Path) -> Generator[Library]:
    npm_packages.fetched(npm_path)
    with openid_client(node_path) as running:
        yield running


@pytest.fixture(scope="module")
def office(house: House, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Generator[Office]:
    """One app for each way to authenticate, and a browser app."""
    listening = free_socket()
    callback = f"http://localhost:{port_of(listening)}/callback"
    folder = tmp_path_factory.mktemp("office")
    with served(landing(), listening):
        methods = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt")
        apps = {method: an_app(library, house, method, callback, folder) for method in methods}
        house.command("app", "create", "node-none", "--type", "spa", "--callback", callback)
        apps["none"] = NodeApp(library, house, "node-none", "none", redirect_uri=callback)
        yield Office(apps, callback)


def an_app(library: Library, house: House, method: str, callback: str, folder: Path) -> NodeApp:
    """A web app that may also ask for itself."""
    client_id = f"node-{method.replace('_', '-')}"
    words = ["--type", "regular_web", "--callback", callback, "--auth-method", method]
    words += [word for grant in USER_GRANTS for word in ("--grant-type", grant)]
    words += ["--api", AUDIENCE, "--scope", "batch:upload read:timesheets create:timesheets"]
    credentials: dict[str, Any] = {}
    if method == "private_key_jwt":
        key = ECKey.generate_key("P-256", {"kid": "first"})
        public = folder / "public.json"
        public.write_text(json.dumps(key.as_dict(private=False)), encoding="utf-8")
        words += ["--key", str(public)]
        credentials["key"] = key.as_dict(private=True)
    created = json.loads(house.command("app", "create", client_id, *words, "--json"))
    if "client_secret" in created:
        credentials["secret"] = created["client_secret"]
    return NodeApp(library, house, client_id, method, credentials, redirect_uri=callback)


@pytest.fixture
def web(office: Office) -> NodeApp:
    return office["client_secret_basic"]


@pytest.fixture
def browser() -> Generator[HttpBrowser]:
    one = HttpBrowser()
    yield one
    one.close()


# ------------------------------------------------------------ code + PKCE


@pytest.mark.parametrize(
    "method",
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"],
)
def test_a_code_with_pkce_brings_erins_claims_by_every_authentication(
    office: Office, browser: HttpBrowser, method: str
) -> None:
    tokens = office[method].sign_in(browser, "erin")
    assert (tokens["claims"]["name"], tokens["claims"]["aud"]) == ("Erin Ellis", office[method].client_id)
    told = office[method].call("userinfo", token=tokens["access_token"], subject=tokens["claims"]["sub"])
    assert told["email"] == "erin@exampleco.test"


def test_a_signed_user_info_answer_is_checked_and_read(office: Office, browser: HttpBrowser) -> None:
    web = office["client_secret_post"]
    web.house.command("app", "change", web.client_id, "--userinfo-alg", "ES256")
    signed = replace(web, metadata={"userinfo_signed_response_alg": "ES256"})
    tokens = signed.sign_in(browser, "erin")
    told = signed.call("userinfo", token=tokens["access_token"], subject=tokens["claims"]["sub"])
    assert (told["name"], told["iss"], told["aud"]) == ("Erin Ellis", web.house.issuer, web.client_id)


def test_a_used_code_is_told_by_the_libraries_own_error(web: NodeApp, browser: HttpBrowser) -> None:
    started = web.call("start", parameters={"redirect_uri": web.redirect_uri, "scope": "openid"})
    browser.open(started["url"])
    browser.sign_in("erin", web.house.password("erin"))
    arrival = {"arrived": {"url": browser.url}, "checks": started["checks"]}
    assert web.call("finish", **arrival)["claims"]["sub"]
    with pytest.raises(ClientRefusedError) as refused:
        web.call("finish", **arrival)
    assert (refused.value.told["code"], refused.value.told["error"]) == (
        "OAUTH_RESPONSE_BODY_ERROR",
        "invalid_grant",
    )


def test_a_person_who_cancels_is_told_by_the_libraries_own_error(web: NodeApp, browser: HttpBrowser) -> None:
    started = web.call("start", parameters={"redirect_uri": web.redirect_uri, "scope": "openid"})
    browser.open(started["url"])
    browser.press("login-cancel")
    with pytest.raises(ClientRefusedError) as refused:
        web.call("finish", arrived={"url": browser.url}, checks=started["checks"])
    assert (refused.value.told["code"], refused.value.told["error"]) == (
        "OAUTH_AUTHORIZATION_RESPONSE_ERROR",
        "access_denied",
    )


# ------------------------------------------------------------ form_post, hybrid, implicit


@pytest.mark.parametrize("response_mode", ["", "form_post"])
@pytest.mark.parametrize("response_type", ["code", "code id_token"])
def test_a_code_comes_by_address_and_by_form_alone_and_with_an_id_token(
    web: NodeApp, browser: HttpBrowser, response_type: str, response_mode: str
) -> None:
    mode = {"response_mode": response_mode} if response_mode else {}
    tokens = web.sign_in(browser, "erin", response_type=response_type, **mode)
    assert tokens["claims"]["name"] == "Erin Ellis"
    assert (browser.answer.request.method == "POST") == (response_mode == "form_post")


@pytest.mark.parametrize("response_mode", ["fragment", "form_post"])
def test_an_id_token_alone_comes_through_the_browser(
    web: NodeApp, browser: HttpBrowser, response_mode: str
) -> None:
    claims = web.sign_in(browser, "erin", response_type="id_token", response_mode=response_mode)
    assert (claims["name"], claims["aud"]) == ("Erin Ellis", web.client_id)


def test_an_error_comes_by_form_too(web: NodeApp, browser: HttpBrowser) -> None:
    asked = {"redirect_uri": web.redirect_uri, "scope": "openid", "prompt": "none"}
    asked["response_mode"] = "form_post"
    started = web.call("start", parameters=asked, response_type="code id_token")
    browser.open(started["url"])
    browser.press("form-post-continue")
    arrival = {"url": browser.url, "form": browser.answer.json()["form"]}
    with pytest.raises(ClientRefusedError) as refused:
        web.call("finish", arrived=arrival, checks=started["checks"], response_type="code id_token")
    assert refused.value.told["error"] == "login_required"


# ------------------------------------------------------------ machines


@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]
)
def test_client_credentials_by_every_authentication(office: Office, method: str) -> None:
    asked = {"audience": AUDIENCE, "scope": "batch:upload"}
    tokens = office[method].call("client_credentials", parameters=asked)
    assert (tokens["scope"], tokens["token_type"]) == ("batch:upload", "bearer")


def test_a_resource_indicator_names_the_api_too(web: NodeApp) -> None:
    tokens = web.call("client_credentials", parameters={"resource": AUDIENCE, "scope": "batch:upload"})
    assert tokens["scope"] == "batch:upload"


# ------------------------------------------------------------ refresh, introspection, revocation


def offline(app: NodeApp, browser: HttpBrowser) -> Any:
    return app.sign_in(browser, "erin", scope=OFFLINE, audience=AUDIENCE)


@pytest.mark.parametrize("method", ["client_secret_basic", "private_key_jwt", "none"])
def test_a_refresh_brings_a_new_token_and_the_same_sign_in(
    office: Office, browser: HttpBrowser, method: str
) -> None:
    app = office[method]
    first = offline(app, browser)
    second = app.call("refresh", token=first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    names = ("sub", "auth_time", "sid", "aud", "iss")
    assert [second["claims"][name] for name in names] == [first["claims"][name] for name in names]
    narrow = app.call("refresh", token=second["refresh_token"], parameters={"scope": "read:timesheets"})
    assert narrow["scope"] == "read:timesheets"


def test_tokens_are_looked_into_until_they_are_revoked(office: Office, browser: HttpBrowser) -> None:
    app = office["private_key_jwt"]
    tokens = offline(app, browser)
    for kind in ("access_token", "refresh_token"):
        told = app.call("introspect", token=tokens[kind], parameters={"token_type_hint": kind})
        assert (told["active"], told["client_id"]) == (True, app.client_id)
        assert "read:timesheets" in told["scope"].split()
    assert app.call("revoke", token=tokens["refresh_token"]) is None
    for kind in ("access_token", "refresh_token"):
        assert app.call("introspect", token=tokens[kind]) == {"active": False}
    with pytest.raises(ClientRefusedError) as refused:
        app.call("refresh", token=tokens["refresh_token"])
    assert refused.value.told["error"] == "invalid_grant"


def test_a_browser_app_revokes_without_a_secret_and_may_not_introspect(
    office: Office, browser: HttpBrowser
) -> None:
    app = office["none"]
    tokens = offline(app, browser)
    with pytest.raises(ClientRefusedError) as refused:
        app.call("introspect", token=tokens["access_token"])
    assert refused.value.told["status"] in (401, 403)
    app.call("revoke", token=tokens["refresh_token"])
    with pytest.raises(ClientRefusedError) as ended:
        app.call("refresh", token=tokens["refresh_token"])
    assert ended.value.told["error"] == "invalid_grant"


def test_signing_out_comes_back_with_the_state(web: NodeApp, browser: HttpBrowser) -> None:
    web.house.command("app", "change", web.client_id, "--logout-callback", web.redirect_uri)
    tokens = web.sign_in(browser, "erin")
    asked = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": web.redirect_uri,
        "state": "bye",
    }
    browser.open(web.call("end_session", parameters=asked))
    assert browser.url == f"{web.redirect_uri}?state=bye"
    started = web.call("start", parameters={"redirect_uri": web.redirect_uri, "scope": "openid"})
    browser.open(started["url"])
    assert "login-submit" in browser.page.ids


def test_a_password_is_exchanged_where_the_grant_is_switched_on(house: House, library: Library) -> None:
    words = ("--type", "regular_web", "--grant-type", "password", "--acknowledge-password-grant", "--json")
    created = json.loads(house.command("app", "create", "node-password", *words))
    credentials = {"secret": created["client_secret"]}
    app = NodeApp(library, house, "node-password", "client_secret_basic", credentials)
    person = {"username": "erin", "password": house.password("erin"), "scope": "openid profile"}
    tokens = app.call("grant", grant_type="password", parameters=person)
    assert tokens["claims"]["name"] == "Erin Ellis"


# ------------------------------------------------------------ devices


def test_a_device_gets_its_tokens_once_somebody_said_yes(
    house: House, library: Library, browser: HttpBrowser
) -> None:
    tv = NodeApp(library, house, "timesheets-tv", "none")
    codes = tv.call("device", parameters={"scope": OFFLINE, "audience": AUDIENCE})
    browser.open(codes["verification_uri_complete"])
    browser.press("device-confirm")
    browser.sign_in("erin", house.password("erin"))
    assert browser.url.endswith("/device/connected")
    tokens = tv.call("poll", codes=codes)
    assert (tokens["claims"]["name"], tokens["claims"]["aud"]) == ("Erin Ellis", "timesheets-tv")
    assert tv.call("refresh", token=tokens["refresh_token"])["claims"]["sub"] == tokens["claims"]["sub"]


def test_a_device_hears_that_somebody_said_no(house: House, library: Library, browser: HttpBrowser) -> None:
    tv = NodeApp(library, house, "timesheets-tv", "none")
    codes = tv.call("device", parameters={"scope": "openid"})
    browser.open(codes["verification_uri_complete"])
    browser.press("device-deny")
    with pytest.raises(ClientRefusedError) as refused:
        tv.call("poll", codes=codes)
    assert refused.value.told["error"] == "access_denied"
