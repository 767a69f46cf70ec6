"""An app of the Timesheets company with the browser of the person who uses it, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

import httpx2
import joserfc.jwk
import joserfc.jwt

from examples.timesheets_api.app import AUDIENCE
from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http
from tests.visitor import Page
from tests.world import basic

OFFLINE = "openid profile offline_access read:timesheets create:timesheets"


class App:
    """An app of the company, with the browser of the person who uses it."""

    def __init__(self, house: House, browser: HttpBrowser, client_id: str, redirect_uri: str) -> None:
        self.house = house
        self.browser = browser
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.verifier = secrets.token_urlsafe(32)
        self.nonce = secrets.token_urlsafe(8)

    def open(self, username: str, **changes: str) -> Page:
        """Asks, and signs the person in when the server wants to know who it is."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        known = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": OFFLINE,
            "audience": AUDIENCE,
            "state": "of this app",
            "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        asked = {name: value for name, value in (known | changes).items() if value}
        page = self.browser.open(f"{self.house.issuer}/authorize", **asked)
        if "login-submit" in page.ids:
            page = self.browser.sign_in(username, self.house.password(username))
        return page

    def post(self, **form: str) -> httpx2.Response:
        """A token request without a secret, or with the one that the example world gave it."""
        named: dict[str, str] = {"client_id": self.client_id}
        headers: dict[str, str] = {}
        if self.client_id == "timesheets-web":
            named, headers = {}, basic(self.client_id, self.house.secret(self.client_id))
        with http() as client:
            return client.post(f"{self.house.issuer}/oauth/token", data=named | form, headers=headers)

    def redeem(self, code: str) -> httpx2.Response:
        proof = {"redirect_uri": self.redirect_uri, "code_verifier": self.verifier}
        return self.post(grant_type="authorization_code", code=code, **proof)

    def refresh(self, token: str) -> httpx2.Response:
        return self.post(grant_type="refresh_token", refresh_token=token)

    def next(self, token: str) -> dict[str, Any]:
        """The tokens of an exchange that is good."""
        answer = self.refresh(token)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


def signed_in(house: House, client_id: str, username: str, redirect_uri: str) -> tuple[App, str]:
    """An app and its code, in a browser of its own."""
    browser = HttpBrowser()
    app = App(house, browser, client_id, redirect_uri)
    app.open(username)
    code = browser.parameters["code"]
    browser.close()
    return app, code


def claims_by_keys_alone(house: House, token: str) -> dict[str, Any]:
    """Verified with nothing but what is published."""
    with http() as client:
        published = client.get(f"{house.issuer}/.well-known/jwks.json")
    assert published.status_code == 200, published
    keys = published.json()
    read = joserfc.jwt.decode(token, joserfc.jwk.KeySet.import_key_set(keys), algorithms=["RS256", "ES256"])
    return dict(read.claims)
