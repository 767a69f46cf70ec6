"""Two nodes on one PostgreSQL: both restart and nobody notices, and what changes is known to both within a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator
from pathlib import Path

import httpx2
import pytest

from examples.timesheets_api.app import AUDIENCE
from innkeeper.jose import base64url
from tests.e2e import programs
from tests.e2e.rolling import restarted_under_load
from tests.house import House, http, within
from tests.nodes import Node
from tests.postgres import Cluster, Foreign
from tests.two_nodes import BOUND_S, TwoNodes, two_nodes

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pair(postgres: Cluster | Foreign, tmp_path_factory: pytest.TempPathFactory) -> Generator[TwoNodes]:
    dsn = asyncio.run(postgres.fresh_database())
    with two_nodes(tmp_path_factory.mktemp("pair") / "data", dsn) as standing:
        yield standing


@pytest.fixture(scope="module")
def house(pair: TwoNodes) -> House:
    return House(pair)


def test_T54_both_nodes_restart_one_after_the_other_and_nobody_notices(
    pair: TwoNodes, tmp_path: Path
) -> None:
    restarted_under_load(pair, tmp_path, rounds=1)


# ------------------------------------------------------------ what changes (RU-29)


def everywhere(pair: TwoNodes, is_true: Callable[[Node], bool]) -> None:
    """Each node by itself, within the bound that operators are promised."""
    for node in pair.nodes:
        within(BOUND_S, lambda: is_true(node))  # noqa: B023


def changed(pair: TwoNodes, *words: str) -> None:
    """A command, after which nobody waits."""
    done = programs.innkeeper(*words, data=pair.data)
    assert done.returncode == 0, done.stderr


def asked_for_a_code(node: Node, redirect_uri: str) -> int:
    parameters = {
        "response_type": "code",
        "client_id": "timesheets-web",
        "redirect_uri": redirect_uri,
        "scope": "openid",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    with http() as client:
        headers = {"host": node.site.host}
        return client.get(f"{node.origin}/authorize", params=parameters, headers=headers).status_code


def asked_for_a_token(node: Node, house: House) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "audience": AUDIENCE}
    credentials = ("timesheets-cron", house.secret("timesheets-cron"))
    with http() as client:
        headers = {"host": node.site.host}
        return client.post(f"{node.origin}/oauth/token", data=form, auth=credentials, headers=headers)


def test_a_disabled_app_gets_nothing_from_any_node_within_a_second(pair: TwoNodes, house: House) -> None:
    everywhere(pair, lambda node: asked_for_a_token(node, house).status_code == 200)
    changed(pair, "app", "change", "timesheets-cron", "--disable")
    everywhere(pair, lambda node: asked_for_a_token(node, house).status_code == 401)
    changed(pair, "app", "change", "timesheets-cron", "--enable")
    everywhere(pair, lambda node: asked_for_a_token(node, house).status_code == 200)


def test_a_redirect_uri_that_was_taken_away_is_refused_by_every_node_within_a_second(pair: TwoNodes) -> None:
    callback = "http://localhost:8765/for-a-day"
    everywhere(pair, lambda node: asked_for_a_code(node, callback) == 400)
    changed(pair, "app", "change", "timesheets-web", "--add-callback", callback)
    everywhere(pair, lambda node: asked_for_a_code(node, callback) == 303)
    changed(pair, "app", "change", "timesheets-web", "--remove-callback", callback)
    everywhere(pair, lambda node: asked_for_a_code(node, callback) == 400)


def test_a_rotated_key_signs_and_is_published_on_every_node_within_a_second(
    pair: TwoNodes, house: House
) -> None:
    def published(node: Node) -> set[str]:
        with http() as client:
            keys = client.get(f"{node.origin}/.well-known/jwks.json", headers={"host": node.site.host})
        return {key["kid"] for key in keys.json()["keys"]}

    def states() -> dict[str, str]:
        listed = json.loads(programs.innkeeper("key", "list", "--json", data=pair.data).stdout)
        return {key["kid"]: key["state"] for key in listed if key["alg"] == "ES256"}

    upcoming = {kid for kid, state in states().items() if state == "next"}
    changed(pair, "key", "rotate", "--alg", "ES256")
    everywhere(pair, lambda node: kid_of(asked_for_a_token(node, house)) in upcoming)
    newest = {kid for kid, state in states().items() if state == "next"}
    everywhere(pair, lambda node: newest <= published(node))


def kid_of(answer: httpx2.Response) -> str:
    header = answer.json()["access_token"].partition(".")[0]
    return str(json.loads(base64url.decode(header))["kid"])
