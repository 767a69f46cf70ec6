"""The data folder that Innkeeper is measured on: one API, one person, one client for each operation."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.contender import API, API_SCOPE, OPAQUE_API, Operation
from bench.process import BenchError

_ROLE = "Employee"
_USERNAME = "erin"
# As long as the peer's codes live: on a busy machine the default of a minute could end before a chunk is spent.
_CODE_LIFETIME_S = 600


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """What a client presents at the token endpoint."""

    client_id: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class World:
    """What the bench knows about the data folder. `environment` is what every command was given."""

    environment: dict[str, str]
    username: str
    password: str
    clients: dict[Operation, ClientCredentials]


def make_world(data: Path, port: int, redirect_uri: str) -> World:
    """Makes the folder with Innkeeper's own commands."""
    environment = _environment(data, port)
    password = secrets.token_urlsafe(18)
    _innkeeper(environment, "init", "--issuer", f"http://localhost:{port}")
    offline = ("--rbac", "--offline-access")
    _innkeeper(environment, "api", "create", API, "--scope", API_SCOPE, "--signing-alg", "ES256", *offline)
    _innkeeper(environment, "api", "create", OPAQUE_API, "--scope", API_SCOPE, "--token-format", "opaque")
    _innkeeper(environment, "role", "create", _ROLE, "--api", API, "--scope", API_SCOPE)
    _innkeeper(
        environment, "user", "create", _USERNAME, "--role", _ROLE, "--password-stdin", standard_input=password
    )
    clients = {operation: _client(environment, operation, redirect_uri) for operation in Operation}
    return World(environment=environment, username=_USERNAME, password=password, clients=clients)


def _environment(data: Path, port: int) -> dict[str, str]:
    """Without settings of the person who runs the bench; with compiled modules, as an installed wheel has them."""
    foreign = ("INNKEEPER_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **inherited,
        "INNKEEPER_DATA": str(data),
        "INNKEEPER_LISTEN__PORT": str(port),
        "INNKEEPER_LIFETIMES__AUTHORIZATION_CODE_S": str(_CODE_LIFETIME_S),
    }


def _client(environment: dict[str, str], operation: Operation, redirect_uri: str) -> ClientCredentials:
    client_id = f"bench-{operation.name.lower().replace('_', '-')}"
    options = ["--id-token-alg", operation.id_token_alg or "ES256"]
    if operation.needs_person:
        options += ["--type", "regular_web", "--callback", redirect_uri]
        if operation is Operation.ROTATION:
            options += ["--grant-type", "authorization_code", "--grant-type", "refresh_token"]
    else:
        options += ["--type", "m2m", "--api", API, "--scope", API_SCOPE]
    made = json.loads(_innkeeper(environment, "app", "create", client_id, *options, "--json"))
    return ClientCredentials(client_id=made["client_id"], secret=made["client_secret"])


def _innkeeper(environment: dict[str, str], *words: str, standard_input: str = "") -> str:
    """Runs one command; returns what it printed."""
    command = [sys.executable, "-P", "-m", "innkeeper", *words]
    done = subprocess.run(
        command, env=environment, input=standard_input, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"`innkeeper {' '.join(words)}` failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
