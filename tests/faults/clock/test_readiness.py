"""A node that does not know the time says so, and is sent nobody."""

from __future__ import annotations

import httpx2

from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.world import ISSUER, World, a_world


async def answer_of(world: World, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=world.asgi)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
        return await client.get(path)


async def test_a_node_that_cannot_tell_the_time_is_not_ready_and_goes_on_publishing() -> None:
    world = await a_world()
    assert (await answer_of(world, "/readyz")).status_code == 200

    def in_doubt() -> None:
        raise StoreUnavailable("the database's clock cannot be read")

    world.clock.check = in_doubt  # type: ignore[method-assign]
    refused = await answer_of(world, "/readyz")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    for path in ("/healthz", "/.well-known/jwks.json", "/.well-known/openid-configuration"):
        assert (await answer_of(world, path)).status_code == 200, path
