"""Two redemptions of one code at the same instant, over sockets, on a store on disk: one winner, every time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import uvicorn

from innkeeper.server import app
from innkeeper.server.config import Settings
from innkeeper.server.storage.sqlite import codes
from innkeeper.server.web import cookies
from tests.visitor import Visitor
from tests.world import World, a_world, authorize_parameters, basic, code_form

TRIALS: Final = 500
MANY_TRIALS: Final = 10_000
CONDITION: Final = "  AND a.redeemed_at IS NULL\n"
ISSUER: Final = "http://localhost:9000"


class Server:
    """A world behind a socket of this machine, in a thread of its own."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.port = 0
        self.session = ""

    async def _run(self) -> None:
        store = await app.open_store(self._database, role="serving")
        world = await a_world(store, issuer=ISSUER)
        await self.prepare(world)
        self.session = await _session_cookie(world)
        config = uvicorn.Config(world.asgi, port=0, lifespan="off", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self._ready.set()
        await serving
        await store.close()

    async def prepare(self, world: World) -> None:
        """What the races of another file need beforehand."""

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)


async def _session_cookie(world: World) -> str:
    """erin's, so that each authorization request is answered with a code at once."""
    visitor = Visitor(world)
    await visitor.code("erin")
    name = cookies.session_cookie_name(Settings(issuer=ISSUER))
    return f"{name}={visitor.http.cookies[name]}"


@contextmanager
def a_server(folder: Path) -> Generator[Server]:
    server = Server(folder / "innkeeper.sqlite")
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Connection:
    """HTTP/1.1 with as little of our own between the two requests as there can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, server: Server) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    def send(self, head: str, body: bytes = b"") -> None:
        self._writer.write(
            f"{head}Host: localhost:9000\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )

    async def receive(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return int(status_line.split(" ")[1]), headers, body

    def close(self) -> None:
        self._writer.close()


async def redemptions(server: Server, trials: int) -> list[Counter[int]]:
    """For each trial the statuses of two redemptions that were sent together."""
    thief, owner = await Connection.to(server), await Connection.to(server)
    try:
        return [await _trial(server, thief, owner) for _ in range(trials)]
    finally:
        thief.close()
        owner.close()


async def _trial(server: Server, thief: Connection, owner: Connection) -> Counter[int]:
    owner.send(f"GET /authorize?{urlencode(authorize_parameters())} HTTP/1.1\r\nCookie: {server.session}\r\n")
    _, headers, _ = await owner.receive()
    [code] = parse_qs(urlsplit(headers["location"]).query)["code"]
    body = urlencode(code_form(code)).encode()
    credentials = basic("web")["authorization"]
    head = (
        f"POST /oauth/token HTTP/1.1\r\nAuthorization: {credentials}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    )
    thief.send(head, body)
    owner.send(head, body)
    answers = [await thief.receive(), await owner.receive()]
    for status, _, answer in answers:
        assert status == 200 or json.loads(answer)["error"] == "invalid_grant", answer
    return Counter(status for status, _, _ in answers)


def trial_results(folder: Path, trials: int) -> Counter[tuple[int, int]]:
    """How often there were (winners, refusals)."""
    with a_server(folder) as server:
        results = asyncio.run(redemptions(server, trials))
    return Counter((result[200], result[400]) for result in results)


def test_CD_07_one_winner_in_each_of_500_races_over_http(tmp_path: Path) -> None:
    assert trial_results(tmp_path, TRIALS) == {(1, 1): TRIALS}


@pytest.mark.faults("races")
def test_CD_07_one_winner_in_each_of_10000_races_over_http(tmp_path: Path) -> None:
    assert trial_results(tmp_path, MANY_TRIALS) == {(1, 1): MANY_TRIALS}


def test_CD_07_these_races_find_a_store_without_the_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CONDITION in codes.REDEEM
    monkeypatch.setattr(codes, "REDEEM", codes.REDEEM.replace(CONDITION, ""))
    assert trial_results(tmp_path, 20)[2, 0] > 0
