"""What a command changes, the running server follows within a second; key rotation under use hurts nobody."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.e2e import relying_party
from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http, within
from tests.serving import free_socket, port_of, served

pytestmark = pytest.mark.e2e

API = "https://api.exampleco.test/timesheets"
# The bound is a second; the machine may be busy. tests/e2e/test_two_nodes.py holds the nodes to it.
AT_ONCE = 3.0


def authorize(house: House, redirect_uri: str, client_id: str = "timesheets-web") -> httpx2.Response:
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    with http() as client:
        return client.get(f"{house.issuer}/authorize", params=parameters)


def ask_for_a_token(house: House, client_id: str, secret: str) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "audience": API}
    with http() as client:
        return client.post(f"{house.issuer}/oauth/token", data=form, auth=(client_id, secret))


# ------------------------------------------------------------ apps


def test_a_callback_works_once_it_is_registered_and_ends_when_it_is_taken_away(
    house: House,
) -> None:
    callback = "http://localhost:8765/a-new-one"
    assert authorize(house, callback).status_code == 400
    house.command("app", "change", "timesheets-web", "--add-callback", callback)
    within(AT_ONCE, lambda: authorize(house, callback).status_code == 303)
    house.command("app", "change", "timesheets-web", "--remove-callback", callback)
    within(AT_ONCE, lambda: authorize(house, callback).status_code == 400)


def test_a_new_app_gets_tokens_until_it_is_disabled(house: House) -> None:
    words = ("--type", "m2m", "--api", API, "--scope", "batch:upload", "--json")
    secret = json.loads(house.command("app", "create", "night-shift", *words))["client_secret"]
    within(AT_ONCE, lambda: ask_for_a_token(house, "night-shift", secret).status_code == 200)
    house.command("app", "change", "night-shift", "--disable")
    within(AT_ONCE, lambda: ask_for_a_token(house, "night-shift", secret).status_code == 401)
    house.command("app", "change", "night-shift", "--enable")
    within(AT_ONCE, lambda: ask_for_a_token(house, "night-shift", secret).status_code == 200)
    house.command("app", "delete", "night-shift")
    within(AT_ONCE, lambda: ask_for_a_token(house, "night-shift", secret).status_code == 401)


def test_a_rotated_secret_works_and_the_old_one_ends_when_asked_to(house: House) -> None:
    words = ("--type", "m2m", "--api", API, "--scope", "batch:upload", "--json")
    old = json.loads(house.command("app", "create", "rotating", *words))["client_secret"]
    new = house.command("app", "rotate-secret", "rotating", "--keep-old", "0").split()[-1]
    within(AT_ONCE, lambda: ask_for_a_token(house, "rotating", new).status_code == 200)
    assert ask_for_a_token(house, "rotating", old).status_code == 401


# ------------------------------------------------------------ APIs, roles, people


def test_a_changed_token_lifetime_counts_from_the_next_token_on(house: House) -> None:
    house.command("api", "change", API, "--token-lifetime", "5m")
    within(AT_ONCE, lambda: house.machine_token()["expires_in"] == 300)


def test_a_changed_role_counts_from_the_next_token_on(house: House) -> None:
    listening = free_socket()
    callback = f"http://localhost:{port_of(listening)}/auth/callback"
    house.command("app", "change", "timesheets-web", "--add-callback", callback)
    app = relying_party.create_app(
        issuer=house.issuer,
        client_id="timesheets-web",
        client_secret=house.secret("timesheets-web"),
        redirect_uri=callback,
    )
    browser = HttpBrowser()
    with served(app, listening) as origin:

        def scope_of_a_new_token() -> list[str]:
            browser.open(f"{origin}/login", scope="openid read:timesheets delete:timesheets", audience=API)
            if "login-submit" in browser.page.buttons:
                browser.sign_in("erin", house.password("erin"))
            return browser.answer.json()["token"]["scope"].split()

        assert "delete:timesheets" in scope_of_a_new_token()
        house.command("role", "change", "Employee", "--api", API, "--remove-scope", "delete:timesheets")
        within(AT_ONCE, lambda: scope_of_a_new_token() == ["openid", "read:timesheets"])
    browser.close()


def test_a_person_who_is_disabled_is_signed_in_no_more(house: House) -> None:
    browser = HttpBrowser()
    browser.open(str(authorize_url(house)))
    house.command("user", "disable", "mona")
    browser.sign_in("mona", house.password("mona"))
    assert (browser.answer.status_code, "problem" in browser.page.ids) == (400, True)
    browser.close()


def authorize_url(house: House) -> httpx2.URL:
    return authorize(house, "http://localhost:8000/auth/callback").request.url


# ------------------------------------------------------------ keys


def test_rotating_keys_under_use_makes_no_token_invalid(house: House) -> None:
    before = key_ids(house)
    waiting = {key["kid"] for key in listed(house) if key["state"] == "next" and key["alg"] == "ES256"}
    assert waiting and waiting <= before, "the next key is published before it signs"
    with tokens_asked_for_all_the_time(house) as tokens:
        within(5, lambda: len(tokens) > 3)
        house.command("key", "rotate", "--alg", "ES256")
        within(AT_ONCE, lambda: kid_of(tokens[-1]) in waiting)
        so_far = len(tokens)
        within(5, lambda: len(tokens) > so_far + 3)
    assert {kid_of(token) for token in tokens} <= before
    published = KeySet.import_key_set(jwks(house))
    for token in tokens:
        assert jwt.decode(token, published, algorithms=["ES256"]).claims["aud"] == API
    assert len({kid_of(token) for token in tokens}) == 2
    upcoming = {key["kid"] for key in listed(house) if key["state"] == "next" and key["alg"] == "ES256"}
    assert upcoming and upcoming <= key_ids(house) - before, "and the one after it is there already"


@contextmanager
def tokens_asked_for_all_the_time(house: House) -> Generator[list[str]]:
    tokens: list[str] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            tokens.append(house.machine_token()["access_token"])

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield tokens
        finally:
            is_over.set()
        asking.result()


def listed(house: House) -> list[dict[str, Any]]:
    return json.loads(house.command("key", "list", "--json"))


def jwks(house: House) -> Any:
    with http() as client:
        return client.get(f"{house.issuer}/.well-known/jwks.json").json()


def key_ids(house: House) -> set[str]:
    return {key["kid"] for key in jwks(house)["keys"]}


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
