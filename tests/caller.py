"""An app and the browsers of its people against real nodes: signs in once, then asks for codes and spends them."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from innkeeper.oauth import pkce
from tests.nodes import API, CALLBACK, PARTNER_CALLBACK, SCOPES, Site
from tests.visitor import Page
from tests.wire import Answer, Wire
from tests.world import PASSWORD, VERIFIER

OFFLINE: Final = " ".join(("openid", *SCOPES, "offline_access"))
_MOST_STEPS: Final = 12


class Browser:
    """One person's cookies. `wire` may be changed between requests: the cookies belong to the issuer."""

    def __init__(self, site: Site, wire: Wire, username: str = "erin") -> None:
        self.site = site
        self.wire = wire
        self.username = username
        self.cookies: dict[str, str] = {}

    async def sign_in(self) -> None:
        """Types the password; raises when no code comes of it."""
        await self.code("web")

    async def code(self, client_id: str = "web", **parameters: str) -> str:
        """A code, by way of whatever pages come first."""
        answer = await self.authorize(client_id, **parameters)
        return await self.finish(answer, callback_of(client_id))

    async def finish(self, answer: Answer, callback: str) -> str:
        """From this answer of ours on: signs in, allows, and reads the code from the address of the app."""
        url = self.site.issuer
        for _ in range(_MOST_STEPS):
            if answer.location.startswith(callback):
                return code_in(answer)
            if answer.status == 303:
                url = urljoin(url, answer.location)
                answer = await self._get(url)
            elif answer.status == 200:
                answer = await self.press(Page(answer.body.decode()), url)
            else:
                break
        raise AssertionError(f"no code: {answer.status} {answer.location} {answer.body.decode()[:1500]}")

    async def authorize(self, client_id: str = "web", **parameters: str) -> Answer:
        """The first answer alone: a person who is signed in, and whom nothing is asked, gets the code at once."""
        query = authorization_request(client_id, **parameters)
        return await self._get(f"{self.site.issuer}/authorize?{urlencode(query)}")

    async def press(self, page: Page, url: str) -> Answer:
        """Fills in what there is and presses the button that goes on."""
        assert page.action is not None, page.html[:1500]
        answers = {"username": self.username, "password": PASSWORD}
        fields = [pair for pair in page.fields if pair[0] not in answers]
        if "login-submit" in page.buttons:
            fields += answers.items()
        button = next(
            name for name in ("login-submit", "consent-allow", "device-continue") if name in page.buttons
        )
        form = urlencode([*fields, page.buttons[button]])
        headers = {"origin": self.site.issuer, "sec-fetch-site": "same-origin"}
        answer = await self.wire.post(target_of(urljoin(url, page.action)), form, headers | self._cookie())
        return self._kept(answer)

    async def _get(self, url: str) -> Answer:
        return self._kept(await self.wire.get(target_of(url), self._cookie()))

    def _cookie(self) -> dict[str, str]:
        together = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"cookie": together} if together else {}

    def _kept(self, answer: Answer) -> Answer:
        for line in answer.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer


class App:
    """What an app with a secret asks of the endpoints for machines. `wire` says which node it asks."""

    def __init__(self, site: Site, wire: Wire, client_id: str = "web") -> None:
        self.wire = wire
        self.client_id = client_id
        self._callback = callback_of(client_id)
        self._credentials = _basic(client_id, site.secrets[client_id])

    async def exchange(self, code: str) -> Answer:
        """RFC 6749 §4.1.3."""
        form = {"code": code, "redirect_uri": self._callback, "code_verifier": VERIFIER}
        return await self._token("authorization_code", form)

    async def refresh(self, token: str) -> Answer:
        """RFC 6749 §6."""
        return await self._token("refresh_token", {"refresh_token": token})

    async def machine_token(self) -> Answer:
        """RFC 6749 §4.4."""
        return await self._token("client_credentials", {"audience": API})

    async def revoke(self, token: str) -> Answer:
        """RFC 7009."""
        return await self.wire.post("/oauth/revoke", {"token": token}, self._credentials)

    async def introspect(self, token: str) -> Answer:
        """RFC 7662."""
        return await self.wire.post("/oauth/introspect", {"token": token}, self._credentials)

    async def tokens(self, browser: Browser, **parameters: str) -> dict[str, Any]:
        """Of a fresh authorization with offline access."""
        answer = await self.exchange(await browser.code(self.client_id, **parameters))
        assert answer.status == 200, answer.body
        return answer.json

    async def _token(self, grant_type: str, form: Mapping[str, str]) -> Answer:
        return await self.wire.post("/oauth/token", {"grant_type": grant_type, **form}, self._credentials)


def authorization_request(client_id: str = "web", **parameters: str) -> dict[str, str]:
    """A good one with offline access, but for what is changed."""
    return {
        "client_id": client_id,
        "redirect_uri": callback_of(client_id),
        "response_type": "code",
        "scope": OFFLINE,
        "audience": API,
        "state": os.urandom(6).hex(),
        "nonce": os.urandom(6).hex(),
        "code_challenge": pkce.s256(VERIFIER),
        "code_challenge_method": "S256",
    } | parameters


def callback_of(client_id: str) -> str:
    """Every app but ours is a partner's."""
    return CALLBACK if client_id == "web" else PARTNER_CALLBACK


def code_in(answer: Answer) -> str:
    """Of the redirect to the app; fails with what it says instead."""
    found = parse_qs(urlsplit(answer.location).query)
    assert "code" in found, (answer.status, answer.location)
    return found["code"][0]


def target_of(url: str) -> str:
    """What stands in the request line."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
