"""A person with a browser, without JavaScript: follows our redirects, fills in our forms."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from tests.world import PASSWORD, World, authorize_parameters

BROWSER = {"sec-fetch-site": "same-origin", "accept-language": "en"}


class Page(HTMLParser):
    """The form, its fields and the buttons of a page; what a page for another window holds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.action: str | None = None
        self.fields: list[tuple[str, str]] = []
        self.buttons: dict[str, tuple[str, str]] = {}
        self.ids: set[str] = set()
        self.data: list[tuple[str, str]] = []
        self.origin: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        self.origin = given.get("data-origin", self.origin)
        if tag == "data":
            self.data.append((given["data-name"], given["value"]))
        elif tag == "form":
            self.action = given.get("action")
        elif tag == "button":
            self.buttons[given.get("id", "")] = (given.get("name", ""), given.get("value", ""))
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.fields.append((given.get("name", ""), given.get("value", "")))

    @property
    def scopes(self) -> list[str]:
        """What is ticked or told."""
        return [value for name, value in self.fields if name == "scope"]


class Visitor:
    """Stops at the first answer that is not ours to follow: a page, or a redirect to the client."""

    def __init__(self, world: World, *, address: str = "203.0.113.7") -> None:
        self.world = world
        self.http = world.http(address=address)
        self.response: httpx2.Response

    async def get(self, url: str) -> httpx2.Response:
        self.response = await self.http.get(url, headers=BROWSER)
        return await self._follow()

    async def authorize(self, **parameters: str | None) -> httpx2.Response:
        """Opens the authorization endpoint with `authorize_parameters`."""
        self.response = await self.http.get(
            "/authorize", params=authorize_parameters(**parameters), headers=BROWSER
        )
        return await self._follow()

    @property
    def page(self) -> Page:
        return Page(self.response.text)

    async def submit(self, button: str, *, untick: tuple[str, ...] = (), **fields: str) -> httpx2.Response:
        """Presses a button of the page by its id."""
        page = self.page
        assert page.action is not None, self.response.text
        data: list[Any] = [pair for pair in page.fields if pair[0] not in fields]
        data = [(name, value) for name, value in data if not (name == "scope" and value in untick)]
        data += [*fields.items(), page.buttons[button]]
        url = urljoin(str(self.response.request.url), page.action)
        origin = self.world.issuer
        body = httpx2.QueryParams(data)
        headers = BROWSER | {"origin": origin, "content-type": "application/x-www-form-urlencoded"}
        self.response = await self.http.post(url, content=str(body).encode(), headers=headers)
        return await self._follow()

    async def sign_in(self, username: str = "erin", password: str = PASSWORD) -> httpx2.Response:
        return await self.submit("login-submit", username=username, password=password)

    @property
    def location(self) -> str:
        return self.response.headers.get("location", "")

    def answer(self) -> dict[str, str]:
        """The parameters that came back to the client."""
        assert self.response.status_code == 303, self.response.text
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}

    async def code(self, username: str = "erin", **parameters: str | None) -> str:
        """A code, signing in when asked to."""
        await self.authorize(**parameters)
        if self.response.status_code == 200 and "login-submit" in self.page.ids:
            await self.sign_in(username)
        if self.response.status_code == 200 and "consent-allow" in self.page.ids:
            await self.submit("consent-allow")
        return self.answer()["code"]

    async def _follow(self) -> httpx2.Response:
        for _ in range(5):
            location = self.location
            if self.response.status_code != 303 or not location.startswith("/"):
                return self.response
            self.response = await self.http.get(location, headers=BROWSER)
        raise AssertionError("redirected in circles")
