"""A television in a world: it asks for a code, shows it, polls; and a person with a phone who answers."""

from __future__ import annotations

from typing import Any

import httpx2

from innkeeper.server.storage.memory.tables import DeviceRow
from tests.attacks.token_requests import tables
from tests.visitor import Visitor
from tests.world import TIMESHEETS, World, a_public_client, a_world

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TV_ORIGIN = "https://tv.example.test"
SCOPE = "openid profile offline_access read:timesheets"
TELEVISION: dict[str, Any] = {
    "type": "native",
    "redirect_uris": (),
    "response_types": (),
    "allowed_origins": (TV_ORIGIN,),
    "grant_types": (DEVICE_GRANT, "refresh_token"),
}


async def a_living_room(**settings: Any) -> World:
    """With two televisions, `tv` and `radio`."""
    televisions = [a_public_client(name, **TELEVISION) for name in ("tv", "radio")]
    return await a_world(extra_clients=televisions, **settings)


async def ask(
    world: World, *, address: str = "192.0.2.20", headers: dict[str, str] | None = None, **form: str | None
) -> httpx2.Response:
    """POST /oauth/device/code."""
    defaults: dict[str, str | None] = {"client_id": "tv", "scope": SCOPE, "audience": TIMESHEETS}
    data = {name: value for name, value in (defaults | form).items() if value is not None}
    return await world.http(address=address).post("/oauth/device/code", data=data, headers=headers or {})


async def shown(world: World, **form: Any) -> dict[str, Any]:
    """What the television got, of which it shows some."""
    answer = await ask(world, **form)
    assert answer.status_code == 200, answer.text
    codes: dict[str, Any] = answer.json()
    return codes


async def poll(world: World, codes: dict[str, Any], client_id: str = "tv", **form: str) -> httpx2.Response:
    """POST /oauth/token."""
    data = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"], "client_id": client_id} | form
    return await world.http(address="192.0.2.20").post("/oauth/token", data=data)


class Phone(Visitor):
    """A person who reads the screen of the television."""

    async def enter(self, user_code: str) -> httpx2.Response:
        """Types the code at the short address."""
        await self.get("/device")
        return await self.submit("device-continue", user_code=user_code)

    async def connect(self, codes: dict[str, Any], username: str = "erin") -> httpx2.Response:
        """All the way, saying yes wherever it is asked."""
        await self.enter(codes["user_code"])
        await self.submit("device-confirm")
        if "login-submit" in self.page.ids:
            await self.sign_in(username)
        if "consent-allow" in self.page.ids:
            await self.submit("consent-allow")
        assert str(self.response.request.url).endswith("/device/connected"), self.response.text
        return self.response


async def tokens(world: World, username: str = "erin") -> dict[str, Any]:
    """What a television gets once it is connected."""
    codes = await shown(world)
    await Phone(world).connect(codes, username)
    answer = await poll(world, codes)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


def only_device(world: World) -> DeviceRow:
    """The one that waits."""
    [row] = tables(world).device_codes.values()
    return row
