"""Innkeeper as a contender: `innkeeper serve` on a data folder with SQLite, `synchronous=FULL`."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from bench.contender import (
    API,
    API_SCOPE,
    HOST,
    OPAQUE_API,
    Codes,
    Operation,
    Tokens,
    exchange_form,
    presenting_form,
    token_request,
)
from bench.innkeeper_world import World, make_world
from bench.load import Job
from bench.person import Person
from bench.ports import free_port, wait_for_answer
from bench.process import BenchError, pinned_to, server_core, stop
from bench.window import send, tokens_from

_DISCOVERY = "/.well-known/openid-configuration"
_REDIRECT_URI = "http://localhost:9999/callback"
_CONNECTIONS = 16


class InnkeeperServer:
    """`innkeeper serve` as a contender. Codes come from its own /authorize, asked by a signed-in person."""

    name = "innkeeper"
    durability = "SQLite, WAL, synchronous=FULL: durable when the answer leaves"

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="innkeeper-bench-")
        self._log = Path(self._folder.name) / "serve.log"
        self._world: World | None = None
        self._person: Person | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return Path(self._folder.name) / "data"

    def prepare(self) -> None:
        self._world = make_world(self.data, self.port, _REDIRECT_URI)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "innkeeper", "serve", "--data", str(self.data)],
                env=self.world.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=pinned_to(server_core()),
            )
        try:
            wait_for_answer(self.port, _DISCOVERY)
        except BenchError as error:
            raise BenchError(f"{error}; its log ends:\n{self._log.read_text()[-3000:]}") from error

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def world(self) -> World:
        assert self._world is not None, "prepare() comes first"
        return self._world

    def mint_codes(self, operation: Operation, count: int) -> Codes:
        verifier = secrets.token_urlsafe(32)
        path = self._authorize_path(operation, verifier)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nCookie: {self._cookies(path)}\r\n\r\n"
        )
        job = Job(
            host=HOST,
            port=self.port,
            connections=_CONNECTIONS,
            status=303,
            requests=[request],
            times=count,
            keep="location",
            follow="",
        )
        result, _ = send(job, self.pid)
        codes = [parse_qs(urlsplit(location).query)["code"][0] for location in result["kept"]]
        return Codes(codes=codes, code_verifier=verifier, redirect_uri=_REDIRECT_URI)

    def _authorize_path(self, operation: Operation, verifier: str) -> str:
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.world.clients[operation].client_id,
            "redirect_uri": _REDIRECT_URI,
            "scope": f"openid {API_SCOPE}{' offline_access' if operation is Operation.ROTATION else ''}",
            "audience": OPAQUE_API if operation is Operation.INTROSPECTION else API,
            "state": secrets.token_urlsafe(12),
            "nonce": secrets.token_urlsafe(12),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"/authorize?{urlencode(query)}"

    def _cookies(self, path: str) -> str:
        if self._person is None:
            self._person = Person(port=self.port, username=self.world.username, password=self.world.password)
        # Once per chunk: signs in the first time, and shows that no page is in the way afterwards.
        self._person.authorize(path, _REDIRECT_URI)
        return self._person.cookie_header()

    def client_credentials_request(self) -> str:
        form = {"grant_type": "client_credentials", "scope": API_SCOPE, "audience": API}
        client = self.world.clients[Operation.CLIENT_CREDENTIALS]
        return token_request("/oauth/token", self.port, client.client_id, client.secret, form)

    def exchange_requests(self, operation: Operation, codes: Codes) -> list[str]:
        client = self.world.clients[operation]
        return [
            token_request(
                "/oauth/token", self.port, client.client_id, client.secret, exchange_form(code, codes)
            )
            for code in codes.codes
        ]

    def mint_tokens(self, operation: Operation, count: int) -> Tokens:
        name = "refresh_token" if operation is Operation.ROTATION else "access_token"
        requests = self.exchange_requests(operation, self.mint_codes(operation, count))
        return tokens_from(requests, name, self.port, self.pid)

    def token_requests(self, operation: Operation, tokens: Tokens) -> list[str]:
        client = self.world.clients[operation]
        path = "/oauth/token" if operation is Operation.ROTATION else "/oauth/introspect"
        return [
            token_request(path, self.port, client.client_id, client.secret, presenting_form(operation, token))
            for token in tokens.values
        ]

    def version(self) -> str:
        import apsw

        implementation = f"{sys.implementation.name} {sys.version.split()[0]}"
        return f"innkeeper {version('innkeeper')} on {implementation}, SQLite {apsw.sqlite_lib_version()}"
