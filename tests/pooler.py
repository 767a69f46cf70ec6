"""A real PgBouncer in transaction mode in front of a test's database; skips the test where it is not installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.postgres import a_free_port

_SETTINGS: Final = """
[databases]
{database} = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


# What Innkeeper sets for its own sessions, and cannot set here.
OF_THE_ROLE: Final = {"lock_timeout": "1500ms", "idle_in_transaction_session_timeout": "5s"}


async def give_to_the_role(dsn: str, settings: Mapping[str, str] = OF_THE_ROLE) -> None:
    """In this database alone, for the connections that a pooler opens from now on."""
    connection = await asyncpg.connect(dsn)
    for name, value in settings.items():
        database = urlsplit(dsn).path.lstrip("/")
        await connection.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = '{value}'")
    await connection.close()


@contextmanager
def a_pooler(dsn: str, *, size: int = 4, user: str | None = None) -> Iterator[str]:
    """The DSN that leads through it. `size` connections to PostgreSQL are shared by all who come, as `user`."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    parts = urlsplit(dsn)
    own_port = a_free_port()
    settings = _SETTINGS.format(
        database=parts.path.lstrip("/"), host=parts.hostname, port=parts.port or 5432,
        user=_quoted(user or parts.username or ""), own_port=own_port, size=size,
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="innkeeper-pgbouncer-"))
    folder.chmod(0o755)
    path = folder / "pgbouncer.ini"
    path.write_text(settings)
    # It refuses to run as root.
    account = ("-u", "nobody") if os.geteuid() == 0 else ()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *account, str(path)], stdout=log, stderr=log)
    try:
        _wait_for(own_port, process)
        yield urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{own_port}"))
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _quoted(text: str) -> str:
    """https://www.pgbouncer.org/config.html#section-databases"""
    return "'" + text.replace("'", "''") + "'"


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.02)
        else:
            return
