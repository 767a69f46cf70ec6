"""`innkeeper` as a program: started, waited for, asked, and stopped by its own process id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 30.0
COMMAND_SECONDS = 60.0


@dataclass
class Running:
    """A server and its data folder. `out` and `err` are what it has printed so far."""

    process: subprocess.Popen[bytes]
    data: Path
    out_file: Path
    err_file: Path

    @property
    def out(self) -> str:
        return self.out_file.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self.err_file.read_text(encoding="utf-8")

    @property
    def dev(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.data / "dev.json").read_text(encoding="utf-8"))
        return document

    @property
    def issuer(self) -> str:
        return str(self.dev["issuer"])

    def app(self, client_id: str) -> dict[str, Any]:
        return next(dict(app) for app in self.dev["apps"] if app["client_id"] == client_id)

    def person(self, username: str) -> dict[str, Any]:
        return next(dict(person) for person in self.dev["people"] if person["username"] == username)

    def cpu_seconds(self) -> float:
        """What the process has used so far, where the system says so: other programs do not change it much."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self) -> None:
        """It follows its commands at once."""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=20)


def environment(**more: str) -> dict[str, str]:
    """Ours without what would choose another data folder, and without a memory of other servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INNKEEPER_")}
    return kept | {"NO_COLOR": "1", "XDG_STATE_HOME": os.devnull} | more


def innkeeper(
    *words: str, data: Path | None = None, cwd: Path | None = None, stdin: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    named = ["--data", str(data)] if data is not None else []
    return subprocess.run(
        [sys.executable, "-m", "innkeeper", *words, *named],
        cwd=cwd,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def asked(*words: str, data: Path) -> Any:
    """The JSON that a command prints."""
    done = innkeeper(*words, "--json", data=data)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def a_dev_server(
    data: Path, *words: str, command: Sequence[str] | None = None, **more: str
) -> Iterator[Running]:
    """`innkeeper dev` on a free port, ready to answer, stopped at the end."""
    data.parent.mkdir(parents=True, exist_ok=True)
    started_after = time.time_ns()
    program = [*(command or [sys.executable, "-m", "innkeeper"]), "dev", "--data", str(data)]
    with started([*program, *(words or ("--port", "0"))], data, **more) as running:
        wait_until(lambda: is_fresh(data / "dev.json", started_after), running)
        yield running


@contextmanager
def started(command: Sequence[str], data: Path, **more: str) -> Iterator[Running]:
    """Any long-lived program, its output in files beside the data folder."""
    out_file, err_file = data.with_suffix(".out"), data.with_suffix(".err")
    with out_file.open("wb") as out, err_file.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment(**more), cwd=data.parent)
        running = Running(process, data, out_file, err_file)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_until(is_so: Any, running: Running) -> None:
    """Fails with what the program printed."""
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        if running.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"exit {running.process.poll()}\n{running.out}\n{running.err}")
        time.sleep(0.01)


def is_fresh(path: Path, since_ns: int) -> bool:
    """The file was written after this instant (file times may be a tick behind the clock)."""
    try:
        return path.stat().st_mtime_ns > since_ns - 20_000_000
    except FileNotFoundError:
        return False
