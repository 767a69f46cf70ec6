"""The guard as a FastAPI dependency."""

from __future__ import annotations

import httpx2
from fastapi import Depends, FastAPI

from innkeeper.resource_server import AccessToken, Guard
from tests.stand_in_issuer import StandInIssuer


def an_api(guard: Guard) -> httpx2.AsyncClient:
    app = FastAPI()

    @app.get("/timesheets")
    async def timesheets(token: AccessToken = Depends(guard.requires("read:timesheets"))) -> str:  # noqa: B008
        return token.subject

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost:9001")


async def test_an_endpoint_receives_the_token(issuer: StandInIssuer, guard: Guard) -> None:
    async with an_api(guard) as api:
        answer = await api.get("/timesheets", headers={"authorization": issuer.bearer()[0]})
    assert (answer.status_code, answer.json()) == (200, "erin")


async def test_refusals_carry_status_challenge_and_json(issuer: StandInIssuer, guard: Guard) -> None:
    async with an_api(guard) as api:
        without = await api.get("/timesheets")
        too_little = await api.get("/timesheets", headers={"authorization": issuer.bearer("openid")[0]})
        in_query = await api.get(f"/timesheets?access_token={issuer.token()}")
        twice = await api.get(
            "/timesheets", headers=[("authorization", value) for value in issuer.bearer() * 2]
        )
    assert (without.status_code, without.headers["www-authenticate"]) == (401, 'Bearer realm="OAuth"')
    assert too_little.status_code == 403
    assert too_little.json()["detail"]["error"] == "insufficient_scope"
    assert 'scope="read:timesheets"' in too_little.headers["www-authenticate"]
    assert (in_query.status_code, twice.status_code) == (400, 400)
