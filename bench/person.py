"""A person at the pages of a running server: signs in once, so that `/authorize` answers with a code."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from bench.contender import HOST
from bench.process import BenchError

_MOST_STEPS = 12
_BUTTONS = ("login-submit", "consent-allow")


class FirstForm(HTMLParser):
    """The first form of a page: where it goes, and what its hidden fields and its main button send."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: list[tuple[str, str]] = []
        self.inputs: set[str] = set()
        self._is_closed = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action = given.get("action", "")
        elif self.action is None or self._is_closed or not given.get("name"):
            return
        elif tag == "button" and given.get("id") in _BUTTONS:
            self.fields.append((given["name"], given.get("value", "")))
        elif tag == "input":
            self.inputs.add(given["name"])
            if given.get("type") == "hidden" or "checked" in given:
                self.fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        self._is_closed = self._is_closed or tag == "form"


@dataclass(kw_only=True)
class Person:
    """A browser with cookies and somebody who knows a password."""

    port: int
    username: str
    password: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def authorize(self, path: str, redirect_uri: str) -> str:
        """Follows pages and redirects until the answer goes to the app; returns that address."""
        method, url, body = "GET", path, ""
        for _ in range(_MOST_STEPS):
            status, location, page = self._ask(method, url, body)
            if location is not None:
                if location.startswith(redirect_uri):
                    return location
                method, url, body = "GET", urljoin(url, location), ""
            elif status == 200:
                method, (url, body) = "POST", self._filled_in(url, page)
            else:
                raise BenchError(f"{method} {url} answered {status}:\n{page[:2000]}")
        raise BenchError(f"no answer for the app after {_MOST_STEPS} steps, the last one {method} {url}")

    def _filled_in(self, url: str, page: str) -> tuple[str, str]:
        form = FirstForm(page)
        if form.action is None:
            raise BenchError(f"{url} shows no form:\n{page[:2000]}")
        answers = {"username": self.username, "password": self.password}
        fields = form.fields + [(name, value) for name, value in answers.items() if name in form.inputs]
        return urljoin(url, form.action) if form.action else url, urlencode(fields)

    def _ask(self, method: str, url: str, body: str) -> tuple[int, str | None, str]:
        parts = urlsplit(url)
        headers = {"Host": f"localhost:{self.port}", "Accept": "text/html", "Accept-Language": "en"}
        if self.cookies:
            headers["Cookie"] = self.cookie_header()
        if method == "POST":
            headers |= {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"}
            headers["Sec-Fetch-Site"] = "same-origin"
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body or None, headers)
            answer = connection.getresponse()
            page = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self._keep(line)
        return answer.status, answer.headers["Location"], page

    def _keep(self, line: str) -> None:
        name, _, value = line.partition(";")[0].strip().partition("=")
        if value and "max-age=0" not in line.lower():
            self.cookies[name] = value
        else:
            self.cookies.pop(name, None)
