"""The sample API behind its guard: 200, 401 and 403 with their exact challenges, rotation, outage, CORS."""

from __future__ import annotations

import httpx2
import pytest

from tests.http.timesheets_api.conftest import SPA
from tests.stand_in_issuer import StandInIssuer, a_key

ROUTES = [
    ("GET", "/timesheets", "read:timesheets"),
    ("POST", "/timesheets", "create:timesheets"),
    ("POST", "/timesheets/upload", "batch:upload"),
    ("DELETE", "/timesheets/1", "delete:timesheets"),
    ("GET", "/approvals", "approve:timesheets"),
    ("PUT", "/approvals/1", "approve:timesheets"),
]


@pytest.mark.parametrize(("method", "path", "scope"), [*ROUTES, ("GET", "/me", "")])
async def test_without_a_token_every_route_asks_for_one(
    method: str, path: str, scope: str, api: httpx2.AsyncClient
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="OAuth"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"error_description": "this resource needs an access token"}


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_with_every_scope_but_the_needed_one_the_answer_is_403_and_names_it(
    method: str, path: str, scope: str, issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    others = " ".join({needed for _, _, needed in ROUTES} - {scope})
    answer = await api.request(method, path, headers={"authorization": issuer.bearer(others)[0]})
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="OAuth", error="insufficient_scope", '
        'error_description="the access token does not have the scope that this resource needs", '
        f'scope="{scope}"'
    )
    assert answer.json()["error"] == "insufficient_scope"


async def test_with_its_scope_the_answer_is_200(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    answer = await api.get("/timesheets", headers={"authorization": issuer.bearer("read:timesheets")[0]})
    assert (answer.status_code, answer.json()) == (200, {"timesheets": []})


async def test_a_bad_token_is_401_with_invalid_token(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    answer = await api.get("/timesheets", headers={"authorization": "Bearer abc"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="OAuth", error="invalid_token", error_description="the access token is not valid here"'
    )
    expired = issuer.bearer()[0]
    issuer.passes(hours=1)
    answer = await api.get("/timesheets", headers={"authorization": expired})
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="OAuth", error="invalid_token", error_description="the access token has expired"'
    )


async def test_keys_rotate_without_a_single_401(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    for name in ("two", "three", "four"):
        issuer.keys.append(a_key(name))  # published ahead
        issuer.passes(minutes=6)
        for key in issuer.keys[-2:]:
            answer = await api.get("/timesheets", headers={"authorization": issuer.bearer(key=key)[0]})
            assert answer.status_code == 200
        issuer.keys = issuer.keys[-1:] + issuer.keys[:-1]


async def test_an_outage_of_the_issuer_is_not_an_outage_of_the_api(
    issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    await api.get("/timesheets", headers={"authorization": issuer.bearer()[0]})
    issuer.is_down = True
    issuer.passes(minutes=30)
    answer = await api.get("/timesheets", headers={"authorization": issuer.bearer()[0]})
    assert answer.status_code == 200


async def test_an_issuer_that_was_never_there_is_503(issuer: StandInIssuer, api: httpx2.AsyncClient) -> None:
    issuer.is_down = True
    answer = await api.get("/timesheets", headers={"authorization": issuer.bearer()[0]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"] == "temporarily_unavailable"


def a_preflight(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }


async def test_a_preflight_request_of_the_browser_app_needs_no_token(
    issuer: StandInIssuer, api: httpx2.AsyncClient
) -> None:
    answer = await api.options("/timesheets", headers=a_preflight(SPA))
    assert answer.is_success
    assert answer.headers["access-control-allow-origin"] == SPA
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert issuer.asked == []


async def test_pages_of_other_origins_are_not_let_in(api: httpx2.AsyncClient) -> None:
    answer = await api.options("/timesheets", headers=a_preflight("http://localhost:6666"))
    assert not answer.is_success
    assert "access-control-allow-origin" not in answer.headers


async def test_the_browser_app_can_read_why_it_was_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/timesheets", headers={"origin": SPA})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == SPA
    assert answer.headers["access-control-expose-headers"] == "WWW-Authenticate"
