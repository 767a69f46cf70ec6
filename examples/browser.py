"""A person with a browser, for walks in a terminal: opens a link, signs in, allows, and says what came back.

    python3 -m examples.browser "http://localhost:9000/authorize?..." --person erin

Prints the address that the browser is sent to; for `response_mode=form_post`, the fields that it would post; or
the title of the page where the road ends. Cookies stay in a file, so a second call is the same browser.
Standard library only.
"""

from __future__ import annotations

import argparse
import http.cookiejar
import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

MOST_PAGES = 12
# In this order: what a person does on a page that has one of these buttons. `--deny` prefers the last two.
YES = (
    "login-submit",
    "account-continue",
    "device-continue",
    "device-confirm",
    "consent-allow",
    "logout-confirm",
)
NO = ("consent-deny", "device-deny")


class Page(HTMLParser):
    """The first form of a page: its address, fields and buttons; and the title."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: list[tuple[str, str]] = []
        self.buttons: dict[str, tuple[str, str]] = {}
        self.title = ""
        self._in_title = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        if tag == "form" and self.action is None:
            self.action = given.get("action", "")
        elif tag == "button":
            self.buttons[given.get("id", "")] = (given.get("name", ""), given.get("value", ""))
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.fields.append((given.get("name", ""), given.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data.strip()
            self._in_title = False


class Stay(HTTPRedirectHandler):
    """Redirects are looked at before they are followed: only those of the issuer are ours."""

    def redirect_request(self, *args: object) -> None:
        return None


class Browser:
    """One jar of cookies, one issuer."""

    def __init__(self, jar: Path) -> None:
        self.cookies = http.cookiejar.LWPCookieJar(jar)
        if jar.exists():
            self.cookies.load(ignore_discard=True)
        self._opener = build_opener(HTTPCookieProcessor(self.cookies), Stay)
        self.url = ""

    def open(self, url: str, form: list[tuple[str, str]] | None = None) -> Page | str:
        """The page, or the address outside the issuer that we were sent to."""
        issuer = urlsplit(url)
        for _ in range(MOST_PAGES):
            headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
            request = Request(url, None if form is None else urlencode(form).encode(), headers)
            try:
                answer = self._opener.open(request, timeout=20)
            except HTTPError as error:
                answer = error
            with answer:
                location, body = answer.headers.get("location"), answer.read().decode()
            if location is None:
                self.url = url
                return Page(body)
            url, form = urljoin(url, location), None
            if urlsplit(url)[:2] != issuer[:2]:
                return url
        raise SystemExit("redirected in circles")


def main(words: list[str] | None = None) -> None:
    """One road, from a link to where it ends."""
    parser = argparse.ArgumentParser(description="A person with a browser, for walks in a terminal.")
    parser.add_argument("link")
    parser.add_argument("--person", default="erin", help="who signs in, by the passwords of dev.json")
    parser.add_argument("--deny", action="store_true", help="say no where the page asks")
    parser.add_argument("--untick", action="append", default=[], metavar="SCOPE")
    parser.add_argument("--code", default="", help="what the device shows")
    parser.add_argument("--data", type=Path, default=Path(".innkeeper"), help="the dev server's folder")
    parser.add_argument(
        "--jar", type=Path, default=Path("cookies.txt"), help="where this browser keeps its cookies"
    )
    asked = parser.parse_args(words)
    browser = Browser(asked.jar)
    found = browser.open(asked.link)
    for _ in range(MOST_PAGES):
        if isinstance(found, str) or (button := pressed(found, asked.deny)) is None:
            break
        found = browser.open(urljoin(browser.url, found.action or ""), filled_in(found, button, asked))
    browser.cookies.save(ignore_discard=True)
    asked.jar.chmod(0o600)
    sys.stdout.write(told(found) + "\n")


def pressed(page: Page, deny: bool) -> str | None:
    """The button that this person presses, if the page has one that they know."""
    wanted = (*NO, *YES) if deny else YES
    return next((name for name in wanted if name in page.buttons), None)


def filled_in(page: Page, button: str, asked: argparse.Namespace) -> list[tuple[str, str]]:
    """The form as the person sends it."""
    own: dict[str, str] = {}
    if button == "login-submit":
        own = {"username": asked.person, "password": password_of(asked.person, asked.data)}
    elif button == "device-continue":
        own = {"user_code": asked.code}
    kept = [
        (name, value)
        for name, value in page.fields
        if name not in own and not (name == "scope" and value in asked.untick)
    ]
    return [*kept, *own.items(), page.buttons[button]]


def password_of(person: str, data: Path) -> str:
    """As `innkeeper dev` has printed it."""
    people = json.loads((data / "dev.json").read_text(encoding="utf-8"))["people"]
    return next(str(known["password"]) for known in people if known["username"] == person)


def told(found: Page | str) -> str:
    """Where it ended: an address, the fields of a form for somebody else, or a page."""
    if isinstance(found, str):
        return found
    if found.action is not None and urlsplit(found.action).scheme:
        return "\n".join([f"POST {found.action}", *(f"{name}={value}" for name, value in found.fields)])
    return f"page: {found.title}"


if __name__ == "__main__":
    main()
