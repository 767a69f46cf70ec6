"""Sends a sign-out request in every way there is, and says who is still signed in afterwards."""

from __future__ import annotations

from typing import Any

import httpx2

from innkeeper.server.config import Settings
from innkeeper.server.web import cookies
from tests.attacks.token_requests import tables
from tests.visitor import Visitor
from tests.world import ISSUER, World, a_public_client, a_world

SESSION = cookies.session_cookie_name(Settings(issuer=ISSUER))
BYE = "https://web.example.test/bye"
FORM = {"content-type": "application/x-www-form-urlencoded"}
METHODS = ("GET", "POST")
OUR_PAGE = "/sign-out"


async def a_world_to_leave(**settings: Any) -> World:
    """In which `web` and `other` know where people go after signing out."""
    world = await a_world(extra_clients=[pairwise()], **settings)
    await world.change("web", post_logout_redirect_uris=(BYE, "https://web.example.test/bye?from=us"))
    await world.change("other", post_logout_redirect_uris=("https://other.example.test/bye",))
    await world.change("disabled", post_logout_redirect_uris=("https://disabled.example.test/bye",))
    return world


def pairwise() -> Any:
    return a_public_client("pairwise", subject_type="pairwise", post_logout_redirect_uris=(BYE,))


async def leave(visitor: Visitor, method: str = "GET", **parameters: str | None) -> httpx2.Response:
    """Follows our own redirects, as a browser does; a POST comes from the app's site, so without our cookies."""
    sent = {name: value for name, value in parameters.items() if value is not None}
    if method == "GET":
        return await visitor.get(f"/oidc/logout?{httpx2.QueryParams(sent)}")
    stranger = visitor.world.http()
    body = str(httpx2.QueryParams(sent)).encode()
    headers = FORM | {"sec-fetch-site": "cross-site", "origin": "https://web.example.test"}
    posted = await stranger.post("/oidc/logout", content=body, headers=headers)
    assert not posted.headers.get_list("set-cookie")
    visitor.response = posted
    if posted.status_code == 303 and posted.headers["location"].startswith("/"):
        return await visitor.get(posted.headers["location"])
    return posted


async def is_signed_in(world: World, session: str | None) -> bool:
    """Whether a browser with this cookie alone gets a code without a page."""
    visitor = Visitor(world)
    visitor.http.headers["cookie"] = f"{SESSION}={session}"
    await visitor.authorize(prompt="none")
    answer = visitor.answer()
    assert "code" in answer or answer["error"] == "login_required"
    return "code" in answer


def session_of(visitor: Visitor) -> str | None:
    found: str | None = visitor.http.cookies.get(SESSION)
    return found


def sessions(world: World) -> int:
    return len(tables(world).sessions)
