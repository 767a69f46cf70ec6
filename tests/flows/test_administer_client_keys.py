"""Apps change from a secret to a key without one failed call, and what they sign with is kept as safe as can be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.client_settings import ClientChanges, NewClient
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.client import ApiGrant, Client
from innkeeper.server.model.identifiers import ClientId
from innkeeper.server.storage.sqlite.store import open_store
from tests.assertions import EC_KEY, a_key, assertion, by_assertion, secret_assertion
from tests.attacks.oracles import is_json_error
from tests.world import TIMESHEETS, World, a_world, basic

pytestmark = pytest.mark.anyio
MACHINE = {"grant_type": "client_credentials", "audience": TIMESHEETS}


async def stored(world: World, client_id: str) -> Client:
    found = await world.services.store.clients.get(ClientId(client_id))
    assert found is not None
    return found


async def status(world: World, form: dict[str, str], headers: dict[str, str] | None = None) -> int:
    await world.services.registry.refresh()
    answer = await world.http().post("/oauth/token", data=MACHINE | form, headers=headers or {})
    return answer.status_code


async def register_key(world: World, client_id: str) -> None:
    await world.services.store.clients.replace(
        replace(await stored(world, client_id), keys=(a_key(),)), events=()
    )


async def test_an_app_moves_from_its_secret_to_its_key_without_a_failed_call() -> None:
    world = await a_world()

    async def by_secret() -> int:
        return await status(world, {}, basic("cron"))

    async def by_key() -> int:
        return await status(world, by_assertion(assertion("cron")))

    assert (await by_secret(), await by_key()) == (200, 401)
    await register_key(world, "cron")
    assert (await by_secret(), await by_key()) == (200, 200)
    await clients.change(world.services, "cron", ClientChanges(token_endpoint_auth_method="private_key_jwt"))
    assert (await by_secret(), await by_key()) == (401, 200)
    assert (await stored(world, "cron")).secrets == ()


async def test_an_app_goes_back_to_a_secret_without_a_failed_call() -> None:
    world = await a_world()
    await register_key(world, "cron")
    to_key = ClientChanges(token_endpoint_auth_method="private_key_jwt")
    await clients.change(world.services, "cron", to_key)
    _, secret = await clients.rotate_secret(world.services, "cron", keep_old=timedelta())
    assert await status(world, {}, basic("cron", secret)) == 401
    to_secret = ClientChanges(token_endpoint_auth_method="client_secret_basic")
    await clients.change(world.services, "cron", to_secret)
    assert await status(world, {}, basic("cron", secret)) == 200
    assert await status(world, by_assertion(assertion("cron"))) == 200


def a_machine() -> NewClient:
    return NewClient(
        client_id="hmac",
        type="m2m",
        token_endpoint_auth_method="client_secret_jwt",
        api_grants=(ApiGrant(api=TIMESHEETS, scope=("read:timesheets",)),),
    )


async def test_a_secret_that_signs_is_sealed_and_nowhere_in_clear(tmp_path: Any) -> None:
    store = open_store(tmp_path / "innkeeper.sqlite")
    world = await a_world(store)
    _, secret = await clients.create(world.services, a_machine())
    assert secret is not None
    assert await status(world, by_assertion(secret_assertion("hmac", secret=secret))) == 200
    assert await status(world, {}, basic("hmac", secret)) == 401
    await store.close()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


async def test_both_secrets_sign_during_a_rotation_and_only_the_new_one_after_it() -> None:
    world = await a_world()
    _, old = await clients.create(world.services, a_machine())
    _, new = await clients.rotate_secret(world.services, "hmac", keep_old=timedelta(seconds=60))
    assert old is not None
    for secret in (old, new):
        assert await status(world, by_assertion(secret_assertion("hmac", secret=secret))) == 200
    world.clock.advance(seconds=60)
    now = int(world.clock.now().timestamp())
    statuses = [
        await status(world, by_assertion(secret_assertion("hmac", secret=secret, exp=now + 60, iat=now)))
        for secret in (old, new)
    ]
    assert statuses == [401, 200]


async def test_an_app_that_leaves_the_method_keeps_nothing_but_the_digest() -> None:
    world = await a_world()
    _, secret = await clients.create(world.services, a_machine())
    assert secret is not None
    to_basic = ClientChanges(token_endpoint_auth_method="client_secret_basic")
    await clients.change(world.services, "hmac", to_basic)
    assert [known.sealed for known in (await stored(world, "hmac")).secrets] == [None]
    assert await status(world, {}, basic("hmac", secret)) == 200
    with pytest.raises(Refused, match="private_key_jwt"):
        back = ClientChanges(token_endpoint_auth_method="client_secret_jwt")
        await clients.change(world.services, "hmac", back)


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": (a_key(dict(EC_KEY.public_jwk) | {"d": "x"}),)},
        {"keys": (replace(a_key(), jwk=b'{"kty":"oct","k":"c2VjcmV0"}'),)},
        {"keys": tuple(a_key() for _ in range(11))},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
)
async def test_what_cannot_prove_an_app_is_not_registered(changes: dict[str, Any]) -> None:
    world = await a_world()
    before = await stored(world, "cron")
    await world.services.store.clients.replace(replace(before, **changes), events=())
    with pytest.raises(Refused):
        await clients.change(world.services, "cron", ClientChanges(name="New"))


async def test_a_key_of_a_disabled_app_proves_nothing() -> None:
    world = await a_world()
    await register_key(world, "cron")
    await clients.change(world.services, "cron", ClientChanges(is_enabled=False))
    await world.services.registry.refresh()
    answer = await world.http().post("/oauth/token", data=MACHINE | by_assertion(assertion("cron")))
    is_json_error(answer, 401, "invalid_client")
