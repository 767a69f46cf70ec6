"""What attacks on codes and tokens send: redemptions, calls of userinfo, and codes made without a browser."""

from __future__ import annotations

from typing import Any

import httpx2

from innkeeper.server.model.identifiers import ClientId, Subject
from innkeeper.server.storage.memory.tables import CodeRow, Tables
from tests.visitor import Visitor
from tests.world import SECRET, TIMESHEETS, World, basic, code_form

FOR_API: dict[str, Any] = {"audience": TIMESHEETS, "scope": "openid profile read:timesheets"}
FOR_USERINFO: dict[str, Any] = {}


async def redeem(
    world: World, code: str, client_id: str = "web", secret: str = SECRET, **changes: str | None
) -> httpx2.Response:
    """A token request by a client with a secret."""
    form = code_form(code, **changes)
    return await world.http().post("/oauth/token", data=form, headers=basic(client_id, secret))


async def tokens(world: World, username: str = "erin", **authorize: str | None) -> dict[str, Any]:
    """Signs in to `web` in a fresh browser and redeems the code."""
    answer = await redeem(world, await Visitor(world).code(username, **authorize))
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def userinfo(world: World, token: str) -> httpx2.Response:
    return await world.http().get("/userinfo", headers={"authorization": f"Bearer {token}"})


def tables(world: World) -> Tables:
    """The rows of the memory store, to look at."""
    found: Tables = world.services.store._tables  # type: ignore[attr-defined]
    return found


def only_code(world: World) -> CodeRow:
    """The one code that was issued."""
    [row] = tables(world).codes.values()
    return row


async def disable_person(world: World) -> None:
    await world.change_user("erin", is_enabled=False)


async def end_person(world: World) -> None:
    user = await world.services.store.users.get(Subject("ik|erin"))
    assert user is not None
    await world.change_user("erin", epoch=user.epoch + 1)


async def delete_person(world: World) -> None:
    await world.services.store.users.delete(Subject("ik|erin"), events=())


async def disable_client(world: World) -> None:
    client = await world.services.store.clients.get(ClientId("web"))
    assert client is not None
    await world.change("web", is_enabled=False)


async def delete_client(world: World) -> None:
    await world.services.store.clients.delete(ClientId("web"), events=())


async def revoke_consent(world: World) -> None:
    await world.services.store.consents.revoke(Subject("ik|erin"), ClientId("web"), events=())


ENDINGS = (disable_person, end_person, delete_person, disable_client, delete_client, revoke_consent)
"""Everything that must end what `web` got for erin. None of them waits for the server to notice."""
