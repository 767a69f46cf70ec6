"""Pairwise subjects and signed userinfo, through the whole server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from innkeeper.jose import base64url, jwt, strict_json
from innkeeper.jose.errors import TokenRefused
from innkeeper.jose.jwks import KeySet
from innkeeper.server import app
from innkeeper.server.flows import userinfo as flow
from innkeeper.server.model.identifiers import ClientId, Subject
from innkeeper.server.storage.memory.store import MemoryStore
from tests.attacks.token_requests import FOR_API, tokens, userinfo
from tests.world import ISSUER, MASTER, World, a_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_world()


def payload(token: str) -> dict[str, Any]:
    return dict(strict_json.parse_object(base64url.decode(token.split(".")[1])))


async def subjects(world: World) -> set[str]:
    """As the ID token, the access token and userinfo have it."""
    answered = await tokens(world, **FOR_API)
    told = (await userinfo(world, answered["access_token"])).json()
    return {payload(answered["id_token"])["sub"], payload(answered["access_token"])["sub"], told["sub"]}


async def test_one_name_everywhere_for_one_client(world: World) -> None:
    assert await subjects(world) == {"ik|erin"}
    await world.change("web", subject_type="pairwise")
    (name,) = await subjects(world)
    assert name.startswith("pw|")
    assert await subjects(world) == {name}


async def test_the_names_outlive_a_restart_and_differ_by_deployment() -> None:
    store = MemoryStore()
    world = await a_world(store)
    await world.change("web", subject_type="pairwise")
    before = await subjects(world)
    again = await app.open_services(world.services.settings, store, MASTER, clock=world.clock)
    erin = await store.users.get(Subject("ik|erin"))
    client = await store.clients.get(ClientId("web"))
    assert erin is not None and client is not None
    assert {again.subjects.of(erin, client)} == before
    elsewhere = await a_world()
    assert elsewhere.services.subjects.of(erin, client) not in before


async def test_the_key_is_stored_sealed(world: World) -> None:
    instance = await world.services.store.instance()
    assert instance is not None and len(instance.pairwise_key) > 32
    assert world.services.subjects._key not in instance.pairwise_key
    assert "key" not in repr(world.services.subjects).lower().replace("subjects", "")


async def test_userinfo_is_signed_for_clients_that_ask_for_it(world: World) -> None:
    await world.change("web", userinfo_signed_response_alg="ES256")
    answered = await tokens(world)
    answer = await userinfo(world, answered["access_token"])
    assert (
        answer.headers["content-type"] == "application/jwt" and answer.headers["cache-control"] == "no-store"
    )
    claims = payload(answer.text)
    assert claims["iss"] == ISSUER and claims["aud"] == "web" and claims["sub"] == "ik|erin"
    jwks = KeySet.parse((await world.http().get("/.well-known/jwks.json")).content)
    with pytest.raises(TokenRefused) as refused:  # it is no ID token, whatever it says
        jwt.verify(
            answer.text, jwks, algorithms=("ES256",), typ="JWT", now=world.clock.now(), issuer=ISSUER, audience="web",
            leeway=timedelta(0),
        )  # fmt: skip
    assert refused.value.code == "type"
    header = strict_json.parse_object(base64url.decode(answer.text.split(".")[0]))
    assert header["typ"] == flow.TYP and header["alg"] == "ES256"
