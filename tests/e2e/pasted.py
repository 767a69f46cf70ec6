"""What `innkeeper app create` prints, taken apart and put where a reader would paste it."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.http_browser import HttpBrowser
from tests.e2e.programs import Running, started, wait_until


class Pasted:
    """The parts of one print-out."""

    def __init__(self, printed: str) -> None:
        head, *parts = re.split(r"^# ---- (.+) ----\n", printed, flags=re.MULTILINE)
        self.environment = head.removeprefix("# .env\n").strip() + "\n"
        self._snippets = dict(zip(parts[::2], parts[1::2], strict=True))

    def snippet(self, title: str) -> str:
        return next(text for name, text in self._snippets.items() if name.startswith(title))

    def variables(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.environment.splitlines())


def paste(folder: Path, pasted: Pasted, title: str) -> None:
    """Two files, as the snippet says."""
    folder.mkdir(parents=True)
    (folder / ".env").write_text(pasted.environment, encoding="utf-8")
    (folder / "main.py").write_text(pasted.snippet(title), encoding="utf-8")


@contextmanager
def running_app(command: Sequence[str], folder: Path, port: int) -> Iterator[Running]:
    """The pasted app, once its port listens."""
    with started(
        ["sh", "-c", 'set -a; . ./.env; set +a; exec "$@"', "sh", *command], folder / "app"
    ) as running:
        wait_until(lambda: is_listening(port), running)
        yield running


def sign_in(origin: str, username: str, password: str) -> str:
    """The page that the app shows in the end."""
    browser = HttpBrowser()
    try:
        browser.open(origin)
        browser.press("login-submit", username=username, password=password)
        return browser.answer.text
    finally:
        browser.close()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def output_of(command: Sequence[str], *, cwd: Path | None = None, timeout_s: float = 300) -> str:
    """A command that must succeed; its complaint otherwise."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
