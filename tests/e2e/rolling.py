"""People and machines at work while nodes are restarted one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.timesheets_api.app import AUDIENCE
from examples.timesheets_api.app import create_app as create_api
from innkeeper.resource_server import Guard
from tests.e2e.company import App, claims_by_keys_alone
from tests.e2e.http_browser import HttpBrowser
from tests.house import House, http, within
from tests.serving import free_socket, port_of, served
from tests.two_nodes import TwoNodes

# For two rounds of everybody's work, on a machine that does much else.
PATIENCE_S = 120.0


@contextmanager
def a_landing() -> Generator[str]:
    """A callback that only has to be there."""

    async def callback(request: Request) -> Response:
        return JSONResponse({})

    listening = free_socket()
    with served(Starlette(routes=[Route("/callback", callback)]), listening):
        yield f"http://localhost:{port_of(listening)}/callback"


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
                one.result()  # says more than a wait for somebody who has given up


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
        """Another tab: no page, a code, and tokens for it.

        Without a refresh token: of those an app has so many per person, and then the oldest ends.
        """
        tab = App(self.house, self.browser, "carls-app", self.app.redirect_uri)
        tab.open("carl", prompt="none", scope="openid read:timesheets")
        assert "code" in self.browser.parameters, self.browser.url
        answer = tab.redeem(self.browser.parameters["code"])
        assert answer.status_code == 200, answer.text


def restarted_under_load(pair: TwoNodes, folder: Path, *, rounds: int) -> None:
    """Both nodes, `rounds` times; raises when one request failed."""
    try:
        _restarted_under_load(pair, folder, rounds)
    finally:
        assert not pair.proxy.failures, pair.proxy.failures[:5]


def _restarted_under_load(pair: TwoNodes, folder: Path, rounds: int) -> None:
    house = House(pair)
    grants = ("--grant-type", "authorization_code", "--grant-type", "refresh_token")
    api = create_api(Guard(issuer=house.issuer, audience=AUDIENCE), folder / "timesheets.sqlite")
    with a_landing() as landing, served(api, free_socket()) as origin:
        house.command("app", "create", "carls-app", "--type", "spa", "--callback", landing, *grants)
        before = pair.proxy.answers.copy()

        def upload() -> None:
            """The night upload with a new token each time (T32)."""
            bearer = {"authorization": f"Bearer {house.machine_token()['access_token']}"}
            row = {"owner": "carl", "date": "2030-01-01", "project": "night", "hours": 8}
            with http() as client:
                assert client.post(f"{origin}/timesheets/upload", json=[row], headers=bearer).is_success

        with (
            closing(Carl(house, landing)) as carl,
            closing(Carl(house, landing)) as refreshing,
            again_and_again(refreshing.refresh, carl.sign_in_silently, upload) as done,
        ):
            for node in rounds * pair.nodes:
                so_far = min(done)
                within(PATIENCE_S, lambda: min(done) > so_far + 1)  # noqa: B023
                pair.restart(node)
            so_far = min(done)
            within(PATIENCE_S, lambda: min(done) > so_far + 1)
    answers = pair.proxy.answers - before
    assert all(status < 500 for _, status in answers), answers
    assert {port for port, _ in answers} == {node.port for node in pair.nodes}
    print(f"{2 * rounds} restarts: {sum(answers.values())} answers; refreshes, sign-ins and uploads: {done}")
