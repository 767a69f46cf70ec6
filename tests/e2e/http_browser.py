"""A browser without JavaScript on real sockets: cookies, redirects, forms."""

from __future__ import annotations

from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from tests.house import http
from tests.visitor import Page


class HttpBrowser:
    """Follows every redirect; `answer` is the last page."""

    def __init__(self) -> None:
        self._http = http(follow_redirects=True, headers={"accept-language": "en"})
        self.answer: httpx2.Response

    def close(self) -> None:
        self._http.close()

    def open(self, url: str, **parameters: str) -> Page:
        self.answer = self._http.get(url, params=parameters or None)
        return self.page

    @property
    def page(self) -> Page:
        return Page(self.answer.text)

    @property
    def url(self) -> str:
        return str(self.answer.url)

    @property
    def parameters(self) -> dict[str, str]:
        """Of the address it is at."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    def path(self) -> list[str]:
        """Every path on the way to this answer, this one included."""
        return [urlsplit(str(answer.url)).path for answer in (*self.answer.history, self.answer)]

    def press(self, button: str, *, untick: tuple[str, ...] = (), **fields: str) -> Page:
        """A button of the page by its id, after filling in fields and clearing check boxes."""
        page = self.page
        assert page.action is not None and button in page.buttons, self.answer.text
        kept = [pair for pair in page.fields if pair[0] not in fields]
        sent = [pair for pair in kept if not (pair[0] == "scope" and pair[1] in untick)]
        body = str(httpx2.QueryParams([*sent, *fields.items(), page.buttons[button]]))
        url = urljoin(self.url, page.action)
        parts = urlsplit(url)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "origin": f"{parts.scheme}://{parts.netloc}",
            "sec-fetch-site": "same-origin",
        }
        self.answer = self._http.post(url, content=body.encode(), headers=headers)
        return self.page

    def sign_in(self, username: str, password: str) -> Page:
        return self.press("login-submit", username=username, password=password)
