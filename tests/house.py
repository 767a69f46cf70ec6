"""A running `innkeeper dev` as other people's apps and browsers meet it: a process on real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2

from tests.e2e import programs


class Standing(Protocol):
    """What a house stands on: one dev server, or several nodes. `err` is its log."""

    @property
    def data(self) -> Path: ...
    @property
    def issuer(self) -> str: ...
    @property
    def err(self) -> str: ...
    def person(self, username: str) -> dict[str, Any]: ...
    def app(self, client_id: str) -> dict[str, Any]: ...
    def settle(self) -> None:
        """Until a change of apps, APIs or keys is known to every node."""
        ...


class House:
    """What its dev.json, its log and its commands tell."""

    def __init__(self, running: Standing) -> None:
        self._running = running
        self.issuer = running.issuer

    def password(self, username: str) -> str:
        return str(self._running.person(username)["password"])

    def secret(self, client_id: str) -> str:
        return str(self._running.app(client_id)["client_secret"])

    def command(self, *words: str) -> str:
        """`innkeeper WORDS` on the same data folder while the server runs; what it prints for programs."""
        done = programs.innkeeper(*words, data=self._running.data)
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}"
        self._running.settle()
        return done.stdout

    def event(self, **wanted: str) -> dict[str, Any]:
        """The event with these members; the log is written a moment later than what it tells."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for line in self._running.err.splitlines():
                event = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
                if event and all(event.get(name) == value for name, value in wanted.items()):
                    return event
            time.sleep(0.05)
        raise AssertionError(f"no event {wanted} in\n{self._running.err[-4000:]}")

    def machine_token(self) -> dict[str, Any]:
        """What timesheets-cron gets."""
        form = {"grant_type": "client_credentials", "audience": "https://api.exampleco.test/timesheets"}
        credentials = ("timesheets-cron", self.secret("timesheets-cron"))
        with http() as client:
            answer = client.post(f"{self.issuer}/oauth/token", data=form, auth=credentials)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def a_house(folder: Path, *words: str) -> Generator[House]:
    """Ready on a free port, ended at the end; its screen and log stay in `folder`. `words` go to the command."""
    with programs.a_dev_server(folder / "data", "--port", "0", *words) as running:
        yield House(running)


def http(**options: Any) -> httpx2.Client:
    """A client that asks no proxy."""
    return httpx2.Client(trust_env=False, timeout=10, **options)


def within(seconds: float, is_true: Callable[[], bool]) -> None:
    """Fails when it has not become true by then."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
