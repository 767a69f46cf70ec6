"""The guard as a piece of pure ASGI."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from innkeeper.resource_server import Guard, Misuse, RequireScope
from tests.stand_in_issuer import StandInIssuer


class App:
    """Remembers the scopes that reached it."""

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, Any]] = []

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(scope)


async def send_to(app: RequireScope, scope: dict[str, Any]) -> list[MutableMapping[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the guard never reads a body")

    await app(scope, receive, send)
    return sent


def a_request(*authorization: str, **changes: Any) -> dict[str, Any]:
    headers = [(b"authorization", value.encode()) for value in authorization]
    return {"type": "http", "headers": headers, "query_string": b"", **changes}


async def test_the_token_reaches_the_app_in_the_state_of_this_request_only(
    issuer: StandInIssuer, guard: Guard
) -> None:
    app, shared_state = App(), {"database": "open"}
    request = a_request(*issuer.bearer(), state=shared_state)
    assert await send_to(RequireScope(app, guard, "read:timesheets"), request) == []
    assert app.scopes[0]["state"]["access_token"].subject == "erin"
    assert app.scopes[0]["state"]["database"] == "open"
    assert shared_state == {"database": "open"}


async def test_a_refused_request_gets_json_and_never_reaches_the_app(guard: Guard) -> None:
    app = App()
    start, body = await send_to(RequireScope(app, guard, "read:timesheets"), a_request())
    assert start["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="OAuth"') in start["headers"]
    assert (b"content-type", b"application/json") in start["headers"]
    assert (b"content-length", str(len(body["body"])).encode()) in start["headers"]
    assert app.scopes == []


async def test_a_websocket_without_a_token_is_closed_before_it_opens(
    issuer: StandInIssuer, guard: Guard
) -> None:
    app = App()
    guarded = RequireScope(app, guard)
    assert await send_to(guarded, a_request(type="websocket")) == [{"type": "websocket.close", "code": 1008}]
    assert app.scopes == []
    await send_to(guarded, a_request(*issuer.bearer(), type="websocket"))
    assert app.scopes[0]["state"]["access_token"].subject == "erin"


async def test_start_and_stop_of_the_app_need_no_token(guard: Guard) -> None:
    app = App()
    await send_to(RequireScope(app, guard), {"type": "lifespan"})
    assert len(app.scopes) == 1


def test_a_scope_that_cannot_exist_is_misuse_when_the_route_is_made(guard: Guard) -> None:
    with pytest.raises(Misuse):
        RequireScope(App(), guard, "a  b")
