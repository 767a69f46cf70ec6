"""Real `innkeeper serve` processes on a data folder or a PostgreSQL database: started, stopped, killed, started again.

site = await a_site(folder)                       # or: await a_site(folder, database_url=dsn)
node = site.node()
node.start()                                      # answers when it is ready
node.kill()                                       # kill -9
node.start()                                      # on the same port
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import urlsplit

import msgspec

from innkeeper.server.cli import data_folder, master_secret_file, private_file, workspace
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.flows.administer import apis, clients, keys, roles, users
from innkeeper.server.flows.administer.clients import NewClient
from innkeeper.server.flows.administer.users import NewUser
from innkeeper.server.flows.services import Services
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.role import Permission, Role
from innkeeper.server.protocol.grants import device_code
from tests.e2e import programs
from tests.world import PASSWORD

API: Final = ApiIdentifier("https://api.example.test/timesheets")
SCOPES: Final = ("read:timesheets", "create:timesheets")
CALLBACK: Final = "https://web.example.test/cb"
PARTNER_CALLBACK: Final = "https://partner.example.test/cb"
START_S: Final = 60.0
# Below the ports that the kernel gives to outgoing connections: while a node is down, nobody else gets its port,
# and a client that tries to reach it does not meet itself.
_PORTS: Final = range(12_000, 30_000)


def a_steady_port() -> int:
    """Free now, and still free for its node after that node was killed."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass(frozen=True, kw_only=True)
class Site:
    """One issuer: a data folder with settings and master secret, its database, and who is known there.

    Apps: `web` (first-party, codes and refresh tokens), `partner` (third-party, asks for consent), `tv` (device
    codes), `cron` (client credentials). `people` all have the password `PASSWORD`.
    """

    folder: DataFolder
    issuer: str
    database_url: str | None
    secrets: Mapping[str, str]
    people: tuple[str, ...]

    @property
    def data(self) -> Path:
        return self.folder.path

    @property
    def host(self) -> str:
        """What a Host header has to say."""
        return urlsplit(self.issuer).netloc

    @property
    def port(self) -> int:
        """The issuer's: of its only node, or of the proxy before several."""
        port = urlsplit(self.issuer).port
        assert port is not None
        return port

    def node(self, port: int | None = None, **environment: str) -> Node:
        """One process, not started yet. Without `port` it listens where the issuer is."""
        return Node(self, port or self.port, environment)

    def command(self, *words: str) -> str:
        """`innkeeper WORDS` beside the running nodes; what it prints for programs."""
        done = programs.innkeeper(*words, data=self.data)
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}"
        return done.stdout

    @asynccontextmanager
    async def services(self) -> AsyncIterator[Services]:
        """What a command works with: the same database, from this process."""
        with _quiet_environment():
            opening = workspace.opened(self.folder)
            services = await opening.__aenter__()
        try:
            yield services
        finally:
            await opening.__aexit__(None, None, None)


class Node:
    """One `innkeeper serve`. What it writes to stderr is kept over all its lives in `log_file`."""

    def __init__(self, site: Site, port: int, environment: Mapping[str, str]) -> None:
        self.site = site
        self.port = port
        self.environment = dict(environment)
        self.log_file = site.data / f"node-{port}.log"
        self.words: tuple[str, ...] = ()
        self.command: tuple[str, ...] = (sys.executable, "-P", "-m", "innkeeper")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Answers when it takes requests."""
        self.launch()
        self.wait_until_listening()

    def launch(self) -> None:
        """The process, without waiting for it."""
        assert not self.is_running, "it runs already"
        folder = ("--config", str(self.site.folder.config), "--port", str(self.port))
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "serve", *folder, *self.words],
                env=programs.environment(**self.environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def wait_until_listening(self, patience_s: float = START_S) -> None:
        """Raises with what it wrote when it does not listen in this time."""
        deadline = time.monotonic() + patience_s
        while not self.is_listening():
            if not self.is_running or time.monotonic() > deadline:
                code = None if self.process is None else self.process.poll()
                raise AssertionError(f"no node on {self.port}, exit {code}:\n{self.log[-4000:]}")
            time.sleep(0.005)

    async def listening(self, patience_s: float = START_S) -> None:
        """As `wait_until_listening`, while the event loop goes on."""
        await asyncio.to_thread(self.wait_until_listening, patience_s)

    def is_listening(self) -> bool:
        """Somebody takes connections there."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """`kill -9`; answers when it is gone."""
        self.stop(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM, patience_s: float = 30.0) -> int:
        """Sends a signal and answers the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(patience_s)

    def end(self) -> None:
        """At the end of a test, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


@contextmanager
def running(*nodes: Node) -> Iterator[tuple[Node, ...]]:
    """All of them started at once, and none of them there afterwards."""
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_until_listening()
        yield nodes
    finally:
        for node in nodes:
            node.end()


# ------------------------------------------------------------ what is known there


@dataclass(kw_only=True)
class _Settings:
    """What the settings file of a site says."""

    issuer: str
    database_url: str | None
    more: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        tables: dict[str, dict[str, Any]] = {
            "database": {} if self.database_url is None else {"url": self.database_url},
            # Codes that wait longer than a busy machine pauses.
            "lifetimes": {"authorization_code_s": 600},
        }
        plain: dict[str, Any] = {"issuer": self.issuer}
        for name, value in self.more.items():
            if isinstance(value, Mapping):
                tables[name] = tables.get(name, {}) | dict(value)
            else:
                plain[name] = value
        lines = [f"{name} = {_toml(value)}" for name, value in plain.items()]
        for table, members in tables.items():
            lines += ["", f"[{table}]", *(f"{name} = {_toml(value)}" for name, value in members.items())]
        return "\n".join(lines) + "\n"


async def a_site(
    path: Path,
    *,
    database_url: str | None = None,
    port: int | None = None,
    people: tuple[str, ...] = ("erin",),
    **settings: Any,
) -> Site:
    """A prepared data folder: what `innkeeper init`, `api create`, `app create` and `user create` make.

    `port` is the issuer's, a free one by default. `settings` go into the file: `lifetimes={"session_idle_s": 60}`.
    """
    site = an_empty_site(path, database_url=database_url, port=port, **settings)
    async with site.services() as services:
        return replace(site, secrets=await _inhabit(services, people), people=people)


def an_empty_site(
    path: Path, *, database_url: str | None = None, port: int | None = None, **settings: Any
) -> Site:
    """Settings and master secret; the database is made by whoever opens it first."""
    issuer = f"http://localhost:{port or a_steady_port()}"
    folder = data_folder.at(path)
    folder.create()
    file = _Settings(issuer=issuer, database_url=database_url, more=settings)
    private_file.create(folder.config, file.text())
    master_secret_file.load_or_create(folder, {})
    return Site(folder=folder, issuer=issuer, database_url=database_url, secrets={}, people=())


async def _inhabit(services: Services, people: tuple[str, ...]) -> dict[str, str]:
    """The API, the role, the people and the apps; answers the apps' secrets."""
    await keys.ensure(services)
    scopes = tuple(ApiScope(value=word, description=f"May {word}") for word in SCOPES)
    await apis.create(
        services, Api(identifier=API, name="Timesheets", scopes=scopes, allow_offline_access=True)
    )
    await roles.create(
        services, Role(name="Employee", permissions=tuple(Permission(api=API, scope=word) for word in SCOPES))
    )
    for name in people:
        person = NewUser(username=name, password=PASSWORD, is_generated=True, roles=("Employee",))
        await users.create(services, person)
    secrets: dict[str, str] = {}
    for app in _apps():
        _, secret = await clients.create(services, app)
        if secret is not None:
            secrets[app.client_id] = secret
    return secrets


def _apps() -> tuple[NewClient, ...]:
    codes = ("authorization_code", "refresh_token")
    everything = (ApiGrant(api=API, scope=SCOPES),)
    return (
        NewClient(client_id="web", type="regular_web", redirect_uris=(CALLBACK,), grant_types=codes,
                  id_token_signed_response_alg="ES256"),
        NewClient(client_id="partner", type="regular_web", redirect_uris=(PARTNER_CALLBACK,),
                  is_first_party=False, publisher="Partner Ltd", api_grants=everything),
        NewClient(client_id="tv", type="native", grant_types=(device_code.NAME, "refresh_token")),
        NewClient(client_id="cron", type="m2m", api_grants=everything),
    )  # fmt: skip


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@contextmanager
def _quiet_environment() -> Iterator[None]:
    """Without the variables of the tests themselves, which settings would take for their own."""
    with patch.dict(os.environ, programs.environment(), clear=True):
        yield
