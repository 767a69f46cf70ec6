"""Apps that keep access while a person is away: refresh tokens got by signing in, exchanged, given back."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec

from innkeeper.server.model.client import RefreshPolicy
from innkeeper.server.model.refresh_family import RefreshFamily
from tests.attacks.oracles import is_json_error
from tests.attacks.token_requests import tables
from tests.visitor import Visitor
from tests.world import SPA_CALLBACK, TIMESHEETS, World, a_world, basic, code_form

OFFLINE: dict[str, Any] = {
    "audience": TIMESHEETS,
    "scope": "openid profile read:timesheets create:timesheets offline_access",
}
REFUSED = "Unknown or invalid refresh token."


async def a_refreshing_world(**settings: Any) -> World:
    """`web`, `other`, `spa`, `native` and `paycheck` may use refresh tokens."""
    world = await a_world(**settings)
    await may_refresh(world, "web", "other", "spa", "native", "paycheck")
    return world


async def may_refresh(world: World, *client_ids: str, **policy: Any) -> None:
    """As an administrator allows it."""
    for client_id in client_ids:
        await world.change(
            client_id,
            grant_types=("authorization_code", "refresh_token"),
            refresh=RefreshPolicy(**policy),
        )


async def signed_in(
    world: World, client_id: str = "web", username: str = "erin", **ask: Any
) -> dict[str, Any]:
    """The answer of the token endpoint after a sign-in with offline access to the timesheets."""
    is_spa = client_id == "spa"
    where = {"redirect_uri": SPA_CALLBACK} if is_spa else {}
    code = await Visitor(world).code(username, **({"client_id": client_id} | where | OFFLINE | ask))
    form = code_form(code, **where, client_id=client_id if is_spa else None)
    answer = await world.http().post("/oauth/token", data=form, headers={} if is_spa else basic(client_id))
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def a_refresh_token(world: World, client_id: str = "web", **ask: Any) -> str:
    """Of erin, for `web`."""
    return str((await signed_in(world, client_id, **ask))["refresh_token"])


async def refresh(
    world: World, token: str, client_id: str = "web", *, address: str = "203.0.113.7", **changes: str | None
) -> httpx2.Response:
    """One exchange by the client itself."""
    is_spa = client_id == "spa"
    form: dict[str, str | None] = {
        "grant_type": "refresh_token",
        "refresh_token": token,
        "client_id": client_id if is_spa else None,
    }
    data = {name: value for name, value in (form | changes).items() if value is not None}
    headers = {} if is_spa else basic(client_id)
    return await world.http(address=address).post("/oauth/token", data=data, headers=headers)


async def refreshed(world: World, token: str, client_id: str = "web", **changes: Any) -> dict[str, Any]:
    """What a good exchange answers."""
    answer = await refresh(world, token, client_id, **changes)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def revoke(world: World, token: str, client_id: str = "web", **changes: str) -> httpx2.Response:
    """Gives a token back."""
    return await world.http().post("/oauth/revoke", data={"token": token} | changes, headers=basic(client_id))


def is_refused(answer: httpx2.Response) -> None:
    """The one answer for everything that is wrong with a refresh token."""
    assert is_json_error(answer, 400, "invalid_grant")["error_description"] == REFUSED


def families(world: World) -> list[RefreshFamily]:
    """The rows."""
    return list(tables(world).refresh_families.values())


async def set_api(world: World, **changes: Any) -> None:
    """Changes the timesheets API the way an administrator does."""
    api = await world.services.store.apis.get(TIMESHEETS)
    assert api is not None
    await world.services.store.apis.replace(msgspec.structs.replace(api, **changes), events=())
    await world.services.registry.refresh()
