"""Keys and assertions that the command line makes for apps."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from innkeeper.jose import jwk
from innkeeper.jose.jwks import KeySet
from innkeeper.jose.jwt import Unverified
from innkeeper.server.cli.assertions import assertion
from innkeeper.server.protocol import client_assertion
from innkeeper.server.protocol.client_assertion import Assertion, Audience

ISSUER = "https://id.example.test"


def run(*words: str) -> Result:
    return CliRunner().invoke(assertion, list(words))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "innkeeper.toml").write_text(f'issuer = "{ISSUER}"\n', encoding="utf-8")
    return tmp_path


def test_the_private_half_is_for_its_owner_alone_and_the_public_half_can_be_registered(folder: Path) -> None:
    made = run("new-key", str(folder / "robot.pem"))
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE((folder / "robot.pem").stat().st_mode) == 0o600
    (registered,) = jwk.from_pem_or_jwk(made.output.encode())
    assert "d" not in json.loads(made.output) and registered["kid"] == json.loads(made.output)["kid"]


def test_a_key_is_not_written_over(folder: Path) -> None:
    assert run("new-key", str(folder / "robot.pem")).exit_code == 0
    before = (folder / "robot.pem").read_bytes()
    again = run("new-key", str(folder / "robot.pem"))
    assert again.exit_code == 1 and "exists already" in str(again.exception)
    assert (folder / "robot.pem").read_bytes() == before


def test_an_assertion_says_what_the_server_asks_for_and_each_is_another(folder: Path) -> None:
    public = run("new-key", str(folder / "robot.pem")).output
    signed = [
        run("sign", "robot", "--key", str(folder / "robot.pem"), "--data", str(folder)) for _ in range(2)
    ]
    found = [Unverified(one.output.strip()) for one in signed]
    keys = KeySet(jwk.from_pem_or_jwk(public.encode()))
    audience = Audience(issuer=ISSUER, endpoints=())
    for token in found:
        token.check_by_key(keys, KeySet(()), client_assertion.KEY_ALGORITHMS)
        now = datetime.now(UTC)
        assert client_assertion.fault(Assertion(token), audience, now, may_name_endpoint=False) is None
    assert found[0].payload["jti"] != found[1].payload["jti"]


def test_what_is_no_key_is_refused_with_the_way_to_make_one(folder: Path) -> None:
    (folder / "robot.pem").write_text("nothing", encoding="utf-8")
    refused = run("sign", "robot", "--key", str(folder / "robot.pem"), "--data", str(folder))
    assert refused.exit_code == 1 and "new-key" in str(refused.exception)
