"""The peer: node-oidc-provider from npm with a plain in-memory Map, run by `bench/peer/server.mjs`."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, cast

from bench.contender import (
    API,
    API_SCOPE,
    OPAQUE_API,
    Codes,
    Operation,
    Tokens,
    exchange_form,
    presenting_form,
    token_request,
)
from bench.ports import free_port, wait_for_answer
from bench.process import BenchError, pinned_to, server_core, stop
from bench.window import tokens_from

_BENCH = Path(__file__).parent
_PACKAGES = _BENCH / "npm"
_DISCOVERY = "/.well-known/openid-configuration"
_CLIENTS = {
    Operation.CODE_ES256: "bench-code-es256",
    Operation.CODE_RS256: "bench-code-rs256",
    Operation.ROTATION: "bench-rotation",
    Operation.INTROSPECTION: "bench-introspection",
}


class PeerMissingError(Exception):
    """The comparison is skipped; the message is the reason."""


def install() -> None:
    """Fetches the pinned npm packages once per lock file, without running any of their scripts."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise PeerMissingError(f"{tool} is not installed")
    lock = hashlib.sha256((_PACKAGES / "package-lock.json").read_bytes()).hexdigest()
    stamp = _PACKAGES / "node_modules" / ".installed-lock"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=_PACKAGES, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerMissingError(f"npm ci failed: {done.stderr.strip()[-500:]}")
    stamp.write_text(lock)


class NodePeer:
    """node-oidc-provider as a contender. Codes are minted in its process through its own models."""

    name = "node-oidc-provider"
    durability = "none: an unbounded Map in memory"

    def __init__(self) -> None:
        self.port = free_port()
        self._secret = secrets.token_urlsafe(32)
        self._folder = tempfile.TemporaryDirectory(prefix="node-bench-")
        self._log = Path(self._folder.name) / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Nothing: clients and keys are made at each start."""

    def start(self) -> None:
        settings = {
            "port": self.port,
            "secret": self._secret,
            "api": API,
            "opaque_api": OPAQUE_API,
            "scope": API_SCOPE,
            "modules": str(_PACKAGES / "package.json"),
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["node", "--no-deprecation", str(_BENCH / "peer" / "server.mjs"), json.dumps(settings)],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=pinned_to(server_core()),
            )
        self._hear()
        wait_for_answer(self.port, _DISCOVERY)

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def mint_codes(self, operation: Operation, count: int) -> Codes:
        assert self._process is not None and self._process.stdin is not None
        order = {"mint": count, "client_id": _CLIENTS[operation]}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return Codes(**self._hear())

    def mint_tokens(self, operation: Operation, count: int) -> Tokens:
        name = "refresh_token" if operation is Operation.ROTATION else "access_token"
        requests = self.exchange_requests(operation, self.mint_codes(operation, count))
        return tokens_from(requests, name, self.port, self.pid)

    def token_requests(self, operation: Operation, tokens: Tokens) -> list[str]:
        path = "/token" if operation is Operation.ROTATION else "/token/introspection"
        client_id = _CLIENTS[operation]
        return [
            token_request(path, self.port, client_id, self._secret, presenting_form(operation, token))
            for token in tokens.values
        ]

    def client_credentials_request(self) -> str:
        form = {"grant_type": "client_credentials", "scope": API_SCOPE}
        return token_request("/token", self.port, "bench-cron", self._secret, form)

    def exchange_requests(self, operation: Operation, codes: Codes) -> list[str]:
        client_id = _CLIENTS[operation]
        return [
            token_request("/token", self.port, client_id, self._secret, exchange_form(code, codes))
            for code in codes.codes
        ]

    def version(self) -> str:
        package = json.loads((_PACKAGES / "node_modules" / "oidc-provider" / "package.json").read_text())
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        return f"oidc-provider {package['version']} on Node {node.stdout.strip()}"

    def _hear(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"node-oidc-provider ended:\n{self._log.read_text()[-3000:]}")
        return cast(dict[str, Any], json.loads(line))


def _environment() -> dict[str, str]:
    return {"PATH": _path(), "NODE_ENV": "production"}


def _path() -> str:
    node = shutil.which("node")
    assert node is not None
    return str(Path(node).parent)
