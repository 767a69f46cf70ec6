"""A world in which every response type is switched on, an app that may use all of them, and readers of every mode."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from innkeeper.server.config import LegacyFlows
from innkeeper.server.model.client import Client
from innkeeper.server.protocol.response_types import RESPONSE_TYPES
from tests.visitor import Page, Visitor
from tests.world import World, a_client, a_world

FRONT_CALLBACK = "https://front.example.test/cb"
FRONT_ORIGIN = "https://front.example.test"
EVERYTHING_ON = LegacyFlows(implicit=True, front_channel_access_tokens=True)
FRONT_CHANNEL = tuple(value for value in RESPONSE_TYPES if value != "code")
MODES = ("query", "fragment", "form_post", "web_message")


def a_front_client(client_id: str = "front", **changes: Any) -> Client:
    """A first-party web app with both grants, whose pages may also receive messages."""
    given: dict[str, Any] = {
        "redirect_uris": (FRONT_CALLBACK,),
        "allowed_origins": (FRONT_ORIGIN,),
        "grant_types": ("authorization_code", "refresh_token", "implicit"),
        "response_types": RESPONSE_TYPES,
    }
    return a_client(client_id, **(given | changes))


async def a_front_world(**settings: Any) -> World:
    """`a_world` with the app `front`."""
    given: dict[str, Any] = {"legacy": EVERYTHING_ON, "extra_clients": (a_front_client(),)}
    return await a_world(**(given | settings))


def asked(**changes: str | None) -> dict[str, str | None]:
    """What the app `front` changes in `authorize_parameters`."""
    given: dict[str, str | None] = {"client_id": "front", "redirect_uri": FRONT_CALLBACK}
    return given | changes


async def answered(world: World, username: str = "erin", **changes: str | None) -> dict[str, str]:
    """What the app `front` is told after somebody has signed in."""
    visitor = Visitor(world)
    await visitor.authorize(**asked(**changes))
    if "login-submit" in visitor.page.ids:
        await visitor.sign_in(username)
    return delivered(visitor.response)


def mode_of(response: httpx2.Response) -> str:
    """How the answer travels."""
    if response.status_code == 303:
        return "fragment" if "#" in response.headers["location"] else "query"
    return "web_message" if "web-message" in Page(response.text).ids else "form_post"


def delivered(response: httpx2.Response) -> dict[str, str]:
    """The parameters of an answer in whichever mode, none of them twice."""
    match mode_of(response):
        case "query":
            pairs = parse_qsl(urlsplit(response.headers["location"]).query, keep_blank_values=True)
        case "fragment":
            pairs = parse_qsl(urlsplit(response.headers["location"]).fragment, keep_blank_values=True)
        case "form_post":
            pairs = Page(response.text).fields
        case _:
            pairs = Page(response.text).data
    found = dict(pairs)
    assert len(found) == len(pairs), pairs
    return found


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found
