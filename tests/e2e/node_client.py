"""openid-client in Node as an app of ours uses it, and the address that people come back to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.browser.npm_packages import FOLDER
from tests.e2e.http_browser import HttpBrowser
from tests.house import House

SCRIPT = FOLDER / "openid_client.mjs"


class ClientRefusedError(Exception):
    """What openid-client threw; `told` holds its code, its message and the words of the server."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(json.dumps(told))
        self.told = told


class Library:
    """The running Node process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, **given: Any) -> Any:
        """What the library answers. It throws `ClientRefusedError` for whatever the library does not accept."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(given), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"Node ended with {self._process.wait()}"
        outcome = json.loads(line)
        if "refused" in outcome:
            raise ClientRefusedError(outcome["refused"])
        return outcome["answer"]


@contextmanager
def openid_client(node: Path) -> Generator[Library]:
    """Ended by the end of its input."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    with subprocess.Popen(
        [node, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=kept, text=True
    ) as process:
        yield Library(process)


@dataclass(frozen=True)
class NodeApp:
    """One app of a house. Nothing is remembered between its calls."""

    library: Library
    house: House
    client_id: str
    method: str
    credentials: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    redirect_uri: str = ""

    def call(self, name: str, **given: Any) -> Any:
        app = {
            "issuer": self.house.issuer,
            "client_id": self.client_id,
            "method": self.method,
            "metadata": self.metadata,
            **self.credentials,
        }
        return self.library.call(call=name, app=app, **given)

    def sign_in(
        self, browser: HttpBrowser, username: str, *, response_type: str = "code", **parameters: str
    ) -> Any:
        """The library starts, a person signs in, the library finishes."""
        asked = {"redirect_uri": self.redirect_uri, "scope": "openid profile email"} | parameters
        started = self.call("start", parameters=asked, response_type=response_type)
        browser.open(started["url"])
        if "login-submit" in browser.page.ids:
            browser.sign_in(username, self.house.password(username))
        if "form-post-continue" in browser.page.ids:
            browser.press("form-post-continue")
        finish = "finish_implicit" if response_type == "id_token" else "finish"
        return self.call(
            finish, response_type=response_type, arrived=arrived(browser), checks=started["checks"]
        )


def arrived(browser: HttpBrowser) -> dict[str, str]:
    """What came to the landing: the address with its fragment, which no server sees, and the form if it was one."""
    landed = browser.answer.json()
    return {"url": browser.url} | ({"form": landed["form"]} if landed["form"] else {})


def landing() -> Starlette:
    """The redirect URI of the apps: says what reached it."""

    async def land(request: Request) -> Response:
        return JSONResponse({"form": (await request.body()).decode()})

    return Starlette(routes=[Route("/callback", land, methods=["GET", "POST"])])
