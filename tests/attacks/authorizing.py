"""Sends one authorization request in every way there is, for the attacks on it."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx2

from tests.attacks.oracles import is_page, is_redirect_error, no_row, redirected
from tests.visitor import BROWSER, Visitor
from tests.world import World, authorize_parameters, basic, code_form

FORM = BROWSER | {"content-type": "application/x-www-form-urlencoded"}


async def both(world: World, query: str) -> list[httpx2.Response]:
    """By GET; and by POST, whose answer is a page or our own GET."""
    http = world.http()
    posted = await http.post("/authorize", content=query.encode(), headers=FORM)
    if posted.status_code == 303:
        assert posted.headers["location"].startswith("/authorize?")
        posted = await http.get(posted.headers["location"], headers=BROWSER)
    return [await http.get(f"/authorize?{query}", headers=BROWSER), posted]


async def refused(world: World, error: str, *, mode: str = "query", **changes: str | None) -> dict[str, str]:
    """RED(error), 0ROW, by both methods."""
    parameters = authorize_parameters(**changes)
    uri = parameters["redirect_uri"]
    with no_row(world):
        answers = [
            is_redirect_error(response, error, state=parameters["state"], mode=mode, redirect_uri=uri)
            for response in await both(world, urlencode(parameters))
        ]
    assert answers[0] == answers[1]
    return answers[0]


async def only_pages(world: World, query: str) -> None:
    with no_row(world):
        for response in await both(world, query):
            is_page(response, sent=[value for values in parse_qs(query).values() for value in values])


def claims_of(id_token: str) -> dict[str, Any]:
    payload = id_token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


async def tokens(world: World, visitor: Visitor) -> dict[str, Any]:
    """What the app gets for the code that the visitor was sent back with."""
    form = code_form(redirected(visitor.response)["code"])
    answer = await world.http().post("/oauth/token", data=form, headers=basic("web"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
