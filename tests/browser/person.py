"""A person at a browser, and a witness of what the browser loads and complains about."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Browser, Page

from tests.house import House

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PATIENCE_MS = 20_000


class Person:
    """Opens pages of one house in a profile of their own."""

    def __init__(self, page: Page, house: House) -> None:
        self.page = page
        self.house = house
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def authorize(self, client_id: str, redirect_uri: str, **changes: str) -> None:
        """Comes from the app, as a link of its would bring them."""
        self.page.goto(self.authorize_url(client_id, redirect_uri, **changes))

    def authorize_url(self, client_id: str, redirect_uri: str, **changes: str) -> str:
        parameters = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile email",
            "state": "its state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.house.issuer}/authorize?{urlencode(parameters | changes)}"

    def sign_in(self, username: str) -> None:
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", self.house.password(username))
        self.page.click("#login-submit")

    def arrives_at(self, start: str) -> dict[str, str]:
        """Waits for an address that starts like this, and answers its parameters."""
        self.page.wait_for_url(lambda url: url.startswith(start))
        query = parse_qs(urlsplit(self.page.url).query)
        return {name: values[0] for name, values in query.items()}

    def focus(self) -> str:
        """The id, or else the name and value, or else the text of what has the focus."""
        return self.page.evaluate(
            "(({id, name, value, innerText}) => id || (name && `${name}=${value}`) || innerText)"
            "(document.activeElement)"
        )

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")


@contextmanager
def at(chromium: Browser, house: House, **options: Any) -> Generator[Person]:
    """`options` of Playwright's `new_context`: java_script_enabled, viewport, color_scheme, locale."""
    context = chromium.new_context(**({"locale": "en-GB"} | options))
    try:
        yield Person(context.new_page(), house)
    finally:
        context.close()
