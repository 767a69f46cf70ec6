"""`innkeeper` on PostgreSQL, as an operator starts it."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx2
import pytest

from tests.e2e.programs import Running, innkeeper, started, wait_until
from tests.postgres import Cluster, Foreign, a_free_port

pytestmark = pytest.mark.e2e


def is_ready(origin: str) -> bool:
    try:
        return httpx2.get(f"{origin}/readyz").status_code == 200
    except httpx2.HTTPError:
        return False


async def test_two_nodes_serve_one_database(tmp_path: Path, postgres: Cluster | Foreign) -> None:
    dsn, port = await postgres.fresh_database(), a_free_port()
    first, second = tmp_path / "first", tmp_path / "second"
    origin = f"http://localhost:{port}"
    done = innkeeper("init", "--issuer", origin, "--database", dsn, data=first)
    assert done.returncode == 0, done.stderr
    assert not (first / "innkeeper.sqlite3").exists()
    second.mkdir()
    for name in ("innkeeper.toml", "master.secret"):
        (second / name).write_bytes((first / name).read_bytes())
        (second / name).chmod(0o600)
    created = innkeeper("app", "create", "Cron", "--type", "m2m", "--json", data=second)
    assert created.returncode == 0, created.stderr
    listed = innkeeper("app", "list", "--json", data=first)
    assert "Cron" in listed.stdout, listed.stdout + listed.stderr
    ports = [a_free_port(), a_free_port()]
    program = [sys.executable, "-m", "innkeeper", "serve"]
    words = [
        [*program, "--data", str(data), "--port", str(at)]
        for data, at in zip((first, second), ports, strict=True)
    ]
    with started(words[0], first) as one, started(words[1], second) as other:
        for node, at in zip((one, other), ports, strict=True):
            wait_until(lambda at=at: is_ready(f"http://localhost:{at}"), node)
        documents = [httpx2.get(f"http://localhost:{at}/.well-known/jwks.json").json() for at in ports]
        assert documents[0] == documents[1]
        assert documents[0]["keys"]
        stop_all(one, other)


def stop_all(*nodes: Running) -> None:
    for node in nodes:
        assert node.stop() == 0, node.err


def test_a_password_in_the_url_is_refused(tmp_path: Path) -> None:
    url = "postgresql://innkeeper:swordfish@db.example.test/innkeeper"
    done = innkeeper("init", "--issuer", "https://id.example.test", "--database", url, data=tmp_path / "data")
    assert done.returncode == 1
    assert "PGPASSFILE" in done.stderr
    assert "swordfish" not in done.stdout + done.stderr


def test_a_database_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    url = f"postgresql://innkeeper@127.0.0.1:{a_free_port()}/innkeeper"
    done = innkeeper("init", "--issuer", "https://id.example.test", "--database", url, data=tmp_path / "data")
    assert done.returncode == 1
    assert "the database cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data" / "innkeeper.toml").exists()


async def test_a_password_in_the_environment_is_neither_shown_nor_written(
    tmp_path: Path, postgres: Cluster | Foreign
) -> None:
    person, _, rest = (await postgres.fresh_database()).rpartition("@")
    # Our cluster trusts this machine and asks for none; what else stands there is taken as it is.
    url = f"{person}:swordfish@{rest}" if person.count(":") == 1 else f"{person}@{rest}"
    password = url.rpartition("@")[0].rpartition(":")[2]
    words = ("init", "--issuer", "https://id.example.test")
    done = innkeeper(*words, data=tmp_path / "data", INNKEEPER_DATABASE__URL=url)
    assert done.returncode == 0, done.stderr
    assert f"@{rest.partition('?')[0]}" in done.stdout
    assert password not in done.stdout + done.stderr
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and password.encode() in f.read_bytes()]
