"""Every endpoint that authenticates a client, and what a good request of each answers to the app that sends it."""

from __future__ import annotations

import itertools

import httpx2

from innkeeper.server.web.routes import ROUTES
from tests.world import TIMESHEETS, World

FORMS: dict[str, dict[str, str]] = {
    "/oauth/token": {"grant_type": "client_credentials", "audience": TIMESHEETS},
    "/oauth/revoke": {"token": "ik_at_unknown"},
    "/oauth/introspect": {"token": "ik_at_unknown"},
    "/oauth/device/code": {"scope": "openid"},
    "/oauth/par": {},
}
_numbers = itertools.count()
# Whatever the rest of the request is worth: how it is refused once the app is known.
KNOWN = {"unauthorized_client", "invalid_target", "invalid_scope", "invalid_request"}
ENDPOINTS = tuple(sorted(path for path in FORMS if path in {route for _, route in ROUTES}))


async def ask(
    world: World, path: str, form: dict[str, str], headers: dict[str, str] | None = None
) -> httpx2.Response:
    """A request of the app `cron`, good but for how it authenticates. Each from an address of its own, whose failures
    are not counted together."""
    number = next(_numbers)
    address = f"198.18.{number // 250 % 250}.{number % 250}"
    return await world.http(address=address).post(path, data=FORMS[path] | form, headers=headers or {})


def is_known(answer: httpx2.Response) -> bool:
    """The app was believed, whatever it was told then."""
    assert answer.status_code < 500, answer.text
    return answer.status_code == 200 or (answer.status_code == 400 and answer.json()["error"] in KNOWN)
