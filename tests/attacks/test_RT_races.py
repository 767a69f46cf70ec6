"""Refreshing at the same instant, over sockets, on a store on disk: nobody who follows the rules is signed out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from innkeeper.server.storage.sqlite import refresh_families
from tests.attacks.test_CD_races import Connection, Server
from tests.refreshing import OFFLINE, REFUSED, may_refresh
from tests.world import World, authorize_parameters, basic, code_form

TRIALS: Final = 250
WITHOUT_OVERLAP_TRIALS: Final = 100


class RefreshingServer(Server):
    """`web` may use refresh tokens, with this overlap."""

    def __init__(self, database: Path, overlap: timedelta) -> None:
        super().__init__(database)
        self._overlap = overlap

    async def prepare(self, world: World) -> None:
        await may_refresh(world, "web", overlap=self._overlap)


@contextmanager
def a_server(folder: Path, overlap: timedelta) -> Generator[RefreshingServer]:
    server = RefreshingServer(folder / "innkeeper.sqlite", overlap)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def post(connection: Connection, **form: str) -> None:
    head = (
        f"POST /oauth/token HTTP/1.1\r\nAuthorization: {basic('web')['authorization']}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    )
    connection.send(head, urlencode(form).encode())


def ask(connection: Connection, token: str) -> None:
    post(connection, grant_type="refresh_token", refresh_token=token)


async def begun(server: Server, connection: Connection) -> str:
    """A refresh token, by a code."""
    query = urlencode(authorize_parameters(**OFFLINE))
    connection.send(f"GET /authorize?{query} HTTP/1.1\r\nCookie: {server.session}\r\n")
    _, headers, _ = await connection.receive()
    [code] = parse_qs(urlsplit(headers["location"]).query)["code"]
    post(connection, **code_form(code))
    return str((await answered(connection))[1]["refresh_token"])


async def answered(connection: Connection) -> tuple[int, dict[str, Any]]:
    status, _, body = await connection.receive()
    return status, json.loads(body)


async def two_tabs(server: Server, trials: int) -> int:
    """One family, used by two tabs at once again and again; how many members it came to."""
    tabs = [await Connection.to(server), await Connection.to(server)]
    seen = [await begun(server, tabs[0])]
    for _ in range(trials):
        for tab in tabs:
            ask(tab, seen[-1])
        answers = [await answered(tab) for tab in tabs]
        assert [status for status, _ in answers] == [200, 200], answers
        [successor] = {answer["refresh_token"] for _, answer in answers}
        seen.append(successor)
    for tab in tabs:
        tab.close()
    return len(set(seen))


async def many_at_once(server: Server, width: int) -> Counter[str]:
    """What so many connections are given for one token."""
    connections = [await Connection.to(server) for _ in range(width)]
    token = await begun(server, connections[0])
    for connection in connections:
        ask(connection, token)
    answers = [await answered(connection) for connection in connections]
    for connection in connections:
        connection.close()
    return Counter(answer.get("refresh_token") or answer["error_description"] for _, answer in answers)


async def used(server: Server, token: str) -> list[str]:
    """What one connection is given for it."""
    connection = await Connection.to(server)
    ask(connection, token)
    _, answer = await answered(connection)
    connection.close()
    return [answer.get("refresh_token") or answer["error_description"]]


def test_RT_07_two_tabs_that_refresh_together_500_times_are_never_signed_out(tmp_path: Path) -> None:
    with a_server(tmp_path, timedelta(seconds=10)) as server:
        assert asyncio.run(two_tabs(server, TRIALS)) == TRIALS + 1


def test_R_RT12_twenty_at_once_all_get_the_same_successor(tmp_path: Path) -> None:
    with a_server(tmp_path, timedelta(seconds=10)) as server:
        [(successor, count)] = asyncio.run(many_at_once(server, 20)).items()
    assert successor.startswith("ik_rt_") and count == 20


def test_R_RT12_fifty_at_once_end_nothing_though_only_twenty_one_are_answered(tmp_path: Path) -> None:
    with a_server(tmp_path, timedelta(seconds=10)) as server:
        told = asyncio.run(many_at_once(server, 50))
        assert told.pop(REFUSED) == 29
        [(successor, count)] = told.items()
        assert count == 21
        [next_one] = asyncio.run(used(server, successor))
    assert next_one.startswith("ik_rt_") and next_one != successor


def test_R_RT12_without_an_overlap_each_race_has_one_winner(tmp_path: Path) -> None:
    with a_server(tmp_path, timedelta()) as server:
        for _ in range(WITHOUT_OVERLAP_TRIALS):
            told = asyncio.run(many_at_once(server, 2))
            assert told.pop(REFUSED) == 1 and sum(told.values()) == 1, told


def test_R_RT12_these_races_find_a_store_without_the_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = refresh_families.ROTATE
    assert "AND f.generation = ?3" in whole
    monkeypatch.setattr(refresh_families, "ROTATE", whole.replace("AND f.generation = ?3", "AND ?3 >= 0"))
    with a_server(tmp_path, timedelta(seconds=10)) as server:
        assert len(asyncio.run(many_at_once(server, 20))) > 1
