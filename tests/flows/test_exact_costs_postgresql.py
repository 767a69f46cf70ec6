"""What the hot requests cost PostgreSQL, counted exactly: reads, transitions, and statements in them.

A statement is one round trip, and one commit: nothing is begun and nothing is ended around it.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from innkeeper.server.storage.postgresql import PostgresStore, open_store
from tests.postgres import Cluster, Foreign
from tests.refreshing import a_refresh_token, may_refresh, refresh, refreshed, signed_in
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_world, basic, code_form

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(postgres: Cluster | Foreign) -> AsyncGenerator[PostgresStore]:
    store = await open_store(await postgres.fresh_database(), judges_by_caller=True)
    yield store
    await store.close()


@pytest.fixture
async def world(store: PostgresStore) -> World:
    world = await a_world(store=store)
    await may_refresh(world, "web")
    return world


@contextmanager
def costs(store: PostgresStore, *, reads: int, transitions: int, statements: int) -> Iterator[None]:
    """Exactly these."""
    counters = store.counters
    before = (counters.reads, counters.transitions, counters.statements)
    yield
    now = (counters.reads, counters.transitions, counters.statements)
    told = tuple(after - earlier for after, earlier in zip(now, before, strict=True))
    assert told == (reads, transitions, statements)


async def test_a_code_exchange_is_one_read_and_one_statement(world: World, store: PostgresStore) -> None:
    code = await Visitor(world).code("erin", audience=TIMESHEETS, scope="openid read:timesheets")
    with costs(store, reads=1, transitions=1, statements=1):
        answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert answer.status_code == 200
    # Who comes second learns why, and ends the grant.
    with costs(store, reads=1, transitions=1, statements=3):
        answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert answer.json()["error"] == "invalid_grant"


async def test_a_first_refresh_token_comes_in_the_same_statement(world: World, store: PostgresStore) -> None:
    where: dict[str, Any] = {"audience": TIMESHEETS, "scope": "openid read:timesheets offline_access"}
    code = await Visitor(world).code("erin", **where)
    with costs(store, reads=1, transitions=1, statements=1):
        answer = await world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
    assert "refresh_token" in answer.json()


async def test_a_rotation_is_one_read_and_one_statement(world: World, store: PostgresStore) -> None:
    token = await a_refresh_token(world)
    with costs(store, reads=1, transitions=1, statements=1):
        await refreshed(world, token)
    with costs(store, reads=1, transitions=1, statements=2):
        await refreshed(world, token)


async def test_a_reuse_is_three_statements_more(world: World, store: PostgresStore) -> None:
    await may_refresh(world, "web", overlap=timedelta(0))
    token = await a_refresh_token(world)
    await refreshed(world, token)
    with costs(store, reads=1, transitions=1, statements=4):
        assert (await refresh(world, token)).json()["error"] == "invalid_grant"


async def test_an_introspection_is_one_read(world: World, store: PostgresStore) -> None:
    token = (await signed_in(world))["access_token"]
    with costs(store, reads=1, transitions=0, statements=0):
        answer = await world.http().post("/oauth/introspect", data={"token": token}, headers=basic("web"))
    assert answer.json()["active"] is True


async def test_client_credentials_for_a_jwt_cost_nothing(world: World, store: PostgresStore) -> None:
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    await world.http().post("/oauth/token", data=form, headers=basic("cron"))
    with costs(store, reads=0, transitions=0, statements=0):
        answer = await world.http().post("/oauth/token", data=form, headers=basic("cron"))
    assert answer.status_code == 200


@pytest.mark.parametrize("client_id", ["%00", "web%00", "%ED%A0%80", "w%00b"])
async def test_an_app_that_postgresql_cannot_hold_is_unknown(world: World, client_id: str) -> None:
    """The name in this header is decoded once more (RFC 6749 §2.3.1), so it may be anything."""
    header = base64.b64encode(f"{client_id}:secret".encode()).decode()
    answer = await world.http().post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {header}"},
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("where", ["client_id", "username", "origin"])
async def test_no_text_of_a_request_breaks_the_database(world: World, where: str) -> None:
    http = world.http()
    if where == "origin":
        answer = await http.options("/oauth/token", headers={"Origin": "https://app.test\\u0000"})
    elif where == "username":
        form = {"grant_type": "password", "username": "erin\0", "password": "x"}
        answer = await http.post("/oauth/token", data=form, headers=basic("web"))
    else:
        answer = await http.get("/authorize", params={"client_id": "web\0", "response_type": "code"})
    assert answer.status_code < 500, answer.text
