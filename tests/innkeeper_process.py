"""Innkeeper as people start it: a process of its own, on real sockets, with a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

START_SECONDS = 30
STOP_SECONDS = 15
COMMAND = (sys.executable, "-P", "-m", "innkeeper")


class NotStarted(AssertionError):
    """The process ended or hung before it was ready; the message holds what it said."""


class InnkeeperProcess:
    """`innkeeper dev` or `innkeeper serve`. Its screen and its log stay beside the data folder."""

    def __init__(self, data: Path, *words: str) -> None:
        self.data = data
        self.screen = data.with_name(f"{data.name}.screen")
        self.log = data.with_name(f"{data.name}.log")
        command = [*COMMAND, *(words or ("dev", "--port", "0")), "--data", str(data)]
        with self.screen.open("ab") as screen, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=screen, stderr=log, env=environment()
            )

    # -------------------------------------------------------- start and end

    def wait_for_dev_file(self, before: int | None) -> None:
        """It is replaced once the socket listens; `before` is the inode of the one of the last run."""
        file = self.data / "dev.json"
        self._wait(lambda: file.exists() and file.stat().st_ino != before)

    def wait_for_health(self, issuer: str) -> None:
        """Until somebody answers."""
        self._wait(lambda: is_answering(f"{issuer}/readyz"))

    def _wait(self, is_ready: Any) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NotStarted(f"exit status {self.process.returncode}\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """For the end of a test, however it went."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # -------------------------------------------------------- what it says

    @property
    def facts(self) -> dict[str, Any]:
        """dev.json."""
        return json.loads((self.data / "dev.json").read_bytes())

    @property
    def issuer(self) -> str:
        return self.facts["issuer"]

    def password(self, username: str) -> str:
        return next(one["password"] for one in self.facts["people"] if one["username"] == username)

    def secret(self, client_id: str) -> str:
        return next(one["client_secret"] for one in self.facts["apps"] if one["client_id"] == client_id)

    def events(self) -> list[dict[str, Any]]:
        """The lines of its log that it has written so far."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def event(self, **wanted: str) -> dict[str, Any]:
        """The event with these members; the log writes a moment behind."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for event in self.events():
                if all(event.get(name) == value for name, value in wanted.items()):
                    return event
            time.sleep(0.05)
        raise AssertionError(f"no event {wanted} in {self.log}")

    # -------------------------------------------------------- commands beside it

    def command(self, *words: str) -> str:
        """`innkeeper WORDS` on the same data folder, while the server runs."""
        return run(*words, "--data", str(self.data))

    def machine_token(self, **changes: str) -> dict[str, Any]:
        """What timesheets-cron gets."""
        form = {"grant_type": "client_credentials", "audience": "https://api.exampleco.test/timesheets"}
        credentials = ("timesheets-cron", self.secret("timesheets-cron"))
        with http() as client:
            answer = client.post(f"{self.issuer}/oauth/token", data=form | changes, auth=credentials)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def dev(data: Path) -> Generator[InnkeeperProcess]:
    """`innkeeper dev` on a free port, ready; ended gracefully, or killed."""
    before = (data / "dev.json").stat().st_ino if (data / "dev.json").exists() else None
    process = InnkeeperProcess(data)
    try:
        process.wait_for_dev_file(before)
        yield process
        process.stop()
    finally:
        process.kill()


def run(*words: str, status: int = 0, folder: Path | None = None) -> str:
    """A command to its end: what it printed for programs, or what it complained about."""
    done = subprocess.run(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
        cwd=folder,
    )
    assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stderr if status else done.stdout


def environment() -> dict[str, str]:
    """Ours, without what would lead Innkeeper to other folders or settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INNKEEPER_")}


def http(**options: Any) -> httpx2.Client:
    """A client that asks no proxy."""
    return httpx2.Client(trust_env=False, timeout=10, **options)


def is_answering(url: str) -> bool:
    try:
        with http() as client:
            return client.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def within(seconds: float, is_true: Any) -> None:
    """Fails when it has not become true by then."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
