"""What was acknowledged and must still be there (I4): sessions, apps, consents; written and read under `Load`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress

from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.clients import NewClient
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.caller import Browser
from tests.faults.history import Running
from tests.faults.load import Load
from tests.nodes import API, PARTNER_CALLBACK, SCOPES
from tests.wire import Answer, Unanswered, Unsent, Wire

PAUSE_S = 0.2


class Records:
    """Names of everything that was written; `read_all` looks for each of them once more."""

    def __init__(self, load: Load, services: Services) -> None:
        self._load = load
        self._services = services
        self._numbers = itertools.count()
        self._sessions: dict[str, Browser] = {}
        self._apps: list[str] = []

    async def sign_in(self) -> None:
        """A new browser. Once it was told that it is signed in, it is, whatever happens to the server."""
        name = f"session {next(self._numbers)}"
        browser = Browser(self._load.site, self._load.next_wire())
        written = self._write(name)
        try:
            await browser.sign_in()
        except (Unsent, Unanswered, AssertionError):
            written.unknown()
        else:
            written.ok()
            self._sessions[name] = browser
            await self._read_session(name)
        await asyncio.sleep(PAUSE_S)

    async def make_app(self) -> None:
        """An administrator makes a third-party app beside the server, and erin allows it what it asks."""
        name = f"app-{next(self._numbers)}"
        written = self._write(name)
        app = NewClient(
            client_id=name, type="regular_web", redirect_uris=(PARTNER_CALLBACK,), is_first_party=False,
            publisher="Partner Ltd", api_grants=(ApiGrant(api=API, scope=SCOPES),),
        )  # fmt: skip
        try:
            await clients.create(self._services, app)
        except StoreUnavailable:
            written.unknown()
            await asyncio.sleep(PAUSE_S)
            return
        written.ok()
        self._apps.append(name)
        if await self._is_known(name):
            await self._consent(name)
        await self._read_app(name)

    async def read_all(self) -> None:
        """At the end: also what was acknowledged before many deaths ago."""
        for name in self._sessions:
            await self._read_session(name)
        for name in self._apps:
            await self._read_app(name)
            await self._read_consent(name)

    async def _is_known(self, name: str) -> bool:
        """Nodes follow a change of apps within a second."""
        for _ in range(100):
            if (await self._load.ask(self._authorize(self._load.browser, name))).status != 400:
                return True
            await asyncio.sleep(PAUSE_S)
        self._load.faults.append(f"{name} was never known to the server")
        return False

    async def _consent(self, name: str) -> None:
        browser = self._erin()
        written = self._write(f"consent {name}")
        try:
            await browser.code(name)
        except (Unsent, Unanswered, AssertionError):
            written.unknown()
        else:
            written.ok()
            await self._read_consent(name)

    async def _read_session(self, name: str) -> None:
        """Still signed in: a code at once, and no page."""
        await self._load.ask(self._authorize(self._sessions[name], "web"), self._read(name),
                             is_ok=lambda answer: True, got=has_code)  # fmt: skip

    async def _read_app(self, name: str) -> None:
        reading = self._read(name)()
        with suppress(StoreUnavailable):
            found = await self._services.store.clients.get(ClientId(name))
            reading.ok(None if found is None else 1)

    async def _read_consent(self, name: str) -> None:
        """She is not asked again."""
        await self._load.ask(self._authorize(self._erin(), name), self._read(f"consent {name}"),
                             is_ok=lambda answer: True, got=has_code)  # fmt: skip

    def _erin(self) -> Browser:
        browser = Browser(self._load.site, self._load.next_wire())
        browser.cookies = dict(self._load.browser.cookies)
        return browser

    def _authorize(self, browser: Browser, client_id: str) -> Callable[[Wire], asyncio.Future[Answer]]:
        def request(wire: Wire) -> asyncio.Future[Answer]:
            browser.wire = wire
            return asyncio.ensure_future(browser.authorize(client_id))

        return request

    def _write(self, name: str) -> Running:
        return self._load.history.begin("record", name, "write", sent=1)

    def _read(self, name: str) -> Callable[[], Running]:
        return lambda: self._load.history.begin("record", name, "read")


def has_code(answer: Answer) -> int | None:
    """1: what was looked for is there."""
    return 1 if "code=" in answer.location else None
