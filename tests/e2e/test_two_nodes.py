"""Two nodes on one PostgreSQL: both restart and nobody notices, and what changes is known to both within a second."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.timesheets_api.app import AUDIENCE
from examples.timesheets_api.app import create_app as create_api
from innkeeper.jose import base64url
from innkeeper.resource_server import Guard
from tests.e2e import programs
from tests.e2e.company import App, claims_by_keys_alone
from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http, within
from tests.nodes import Node
from tests.postgres import Cluster, Foreign
from tests.serving import free_socket, port_of, served
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


@pytest.fixture(scope="module")
def landing() -> Generator[str]:
    """A callback that only has to be there."""

    async def callback(request: Request) -> Response:
        return JSONResponse({})

    listening = free_socket()
    with served(Starlette(routes=[Route("/callback", callback)]), listening):
        yield f"http://localhost:{port_of(listening)}/callback"


# ------------------------------------------------------------ T54


@contextmanager
def again_and_again(*works: Callable[[], None]) -> Iterator[list[int]]:
    """Each in a thread of its own until the end, where whatever one of them raised is raised; how often each ran."""
    is_over = threading.Event()
    done = [0] * len(works)

    def run(number: int) -> None:
        while not is_over.is_set():
            works[number]()
            done[number] += 1

    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(run, number) for number in range(len(works))]
        try:
            yield done
        finally:
            is_over.set()
        for one in running:
            one.result()


class Carl:
    """His browser is signed in, and his app refreshes its tokens again and again (T18)."""

    def __init__(self, house: House, landing: str) -> None:
        self.house = house
        self.browser = HttpBrowser()
        self.app = App(house, self.browser, "carls-app", landing)
        self.app.open("carl")
        self.tokens: dict[str, Any] = self.app.redeem(self.browser.parameters["code"]).json()
        self.auth_time = self.signed_in_at()

    def close(self) -> None:
        self.browser.close()

    def signed_in_at(self) -> int:
        return int(claims_by_keys_alone(self.house, self.tokens["id_token"])["auth_time"])

    def refresh(self) -> None:
        before = self.tokens["refresh_token"]
        self.tokens = self.app.next(before)
        assert self.tokens["refresh_token"] != before
        assert self.signed_in_at() == self.auth_time

    def sign_in_silently(self) -> None:
        """Another tab: no page, a code, and tokens for it."""
        tab = App(self.house, self.browser, "carls-app", self.app.redirect_uri)
        tab.open("carl", prompt="none")
        assert "code" in self.browser.parameters, self.browser.url
        answer = tab.redeem(self.browser.parameters["code"])
        assert answer.status_code == 200, answer.text


def test_T54_both_nodes_restart_one_after_the_other_and_nobody_notices(
    pair: TwoNodes, house: House, landing: str, tmp_path: Path
) -> None:
    grants = ("--grant-type", "authorization_code", "--grant-type", "refresh_token")
    house.command("app", "create", "carls-app", "--type", "spa", "--callback", landing, *grants)
    api = create_api(Guard(issuer=house.issuer, audience=AUDIENCE), tmp_path / "timesheets.sqlite")
    before = pair.proxy.answers.copy()
    with (
        served(api, free_socket()) as origin,
        closing(Carl(house, landing)) as carl,
        closing(Carl(house, landing)) as refreshing,
    ):

        def upload() -> None:
            """The night upload with a new token each time (T32)."""
            bearer = {"authorization": f"Bearer {house.machine_token()['access_token']}"}
            row = {"owner": "carl", "date": "2030-01-01", "project": "night", "hours": 8}
            with http() as client:
                assert client.post(f"{origin}/timesheets/upload", json=[row], headers=bearer).is_success

        with again_and_again(refreshing.refresh, carl.sign_in_silently, upload) as done:
            for node in pair.nodes:
                within(20, lambda: min(done) >= 2)
                so_far = min(done)
                pair.restart(node)
                within(20, lambda: min(done) > so_far + 1)  # noqa: B023
    answers = pair.proxy.answers - before
    assert all(status < 500 for _, status in answers), answers
    assert {port for port, _ in answers} == {node.port for node in pair.nodes}
    print(f"T54: {sum(answers.values())} answers, refreshes, sign-ins and uploads: {done}")


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
