"""The discovery documents and the keys they name; `test_discovery_walk.py` exercises every value."""

from __future__ import annotations

from typing import Any

import pytest

from tests.television import a_living_room
from tests.world import (
    ISSUER,
    World,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_living_room()


async def metadata(world: World) -> dict[str, Any]:
    answer = await world.http().get("/.well-known/openid-configuration")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_both_documents_are_the_same_and_for_everybody(world: World) -> None:
    first = await world.http().get(
        "/.well-known/openid-configuration", headers={"origin": "https://any.example.test"}
    )
    second = await world.http().get("/.well-known/oauth-authorization-server")
    assert first.json() == second.json()
    assert first.headers["access-control-allow-origin"] == "*"
    assert "max-age" in first.headers["cache-control"]


async def test_every_url_is_below_the_issuer_and_answers(world: World) -> None:
    found = await metadata(world)
    assert found["issuer"] == ISSUER
    urls = {name: value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))}
    names = "authorization token userinfo revocation introspection device_authorization end_session"
    assert set(urls) == {"jwks_uri", *(f"{name}_endpoint" for name in names.split())}
    for name, url in urls.items():
        assert url.startswith(ISSUER + "/")
        answer = await world.http().get(url)
        assert answer.status_code != 404, name


async def test_the_host_of_a_request_changes_nothing(world: World) -> None:
    honest = await metadata(world)
    answer = await world.http().get(
        "/.well-known/openid-configuration", headers={"x-forwarded-host": "evil.example.test"}
    )
    assert answer.json() == honest


async def test_keys_verify_what_was_signed_and_hold_nothing_private(world: World) -> None:
    jwks = (await world.http().get((await metadata(world))["jwks_uri"])).json()
    for key in jwks["keys"]:
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
        assert key["use"] == "sig" and key["kid"]
    assert {key["alg"] for key in jwks["keys"]} == set(
        (await metadata(world))["id_token_signing_alg_values_supported"]
    )
