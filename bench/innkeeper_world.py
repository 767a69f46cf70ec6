"""The data folder that Innkeeper is measured on: one API, one person, one client for each operation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.contender import Operation
from bench.process import BenchError


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """What a client presents at the token endpoint."""

    client_id: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class World:
    """What the bench knows about the data folder. `environment` holds the master secret."""

    environment: dict[str, str]
    username: str
    password: str
    clients: dict[Operation, ClientCredentials]


def make_world(data: Path, port: int, redirect_uri: str) -> World:
    """Makes the folder with Innkeeper's own commands."""
    raise BenchError(f"`innkeeper init` is not there yet ({data}, {port}, {redirect_uri})")
