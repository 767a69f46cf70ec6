"""Applications are created safe, changed only into something safe, and their secrets rotate without a failed call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.jose.hashes import sha256
from innkeeper.server.cli import app_document
from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.clients import ClientChanges, NewClient
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.client import ApiGrant, Client, RefreshPolicy
from innkeeper.server.model.identifiers import ApiIdentifier, ClientId
from innkeeper.server.storage.outcomes import Conflict, StoreUnavailable
from tests.world import TIMESHEETS, World, a_world, basic

CALLBACK = "https://my.example.test/cb"


def wanted(**changes: Any) -> NewClient:
    """A regular web app, but for what is changed."""
    return NewClient(**({"client_id": "my", "type": "regular_web", "redirect_uris": (CALLBACK,)} | changes))


async def test_a_web_app_gets_a_secret_of_256_bits_that_is_stored_as_a_digest_only() -> None:
    world = await a_world()
    client, secret = await clients.create(world.services, wanted())
    assert secret is not None
    assert len(secret) == len("ik_cs_") + 43
    stored = await world.services.store.clients.get(client.client_id)
    assert stored is not None
    assert [known.digest for known in stored.secrets] == [sha256(secret.encode())]
    assert secret not in repr(stored)


@pytest.mark.parametrize(
    ("kind", "redirect_uris", "method", "grants", "response_types"),
    [
        (
            "regular_web",
            (CALLBACK,),
            "client_secret_basic",
            ("authorization_code", "refresh_token"),
            ("code",),
        ),
        ("spa", (CALLBACK,), "none", ("authorization_code", "refresh_token"), ("code",)),
        (
            "native",
            ("http://127.0.0.1/callback",),
            "none",
            ("authorization_code", "refresh_token"),
            ("code",),
        ),
        ("m2m", (), "client_secret_basic", ("client_credentials",), ()),
    ],
)
async def test_each_type_has_safe_defaults(
    kind: Any,
    redirect_uris: tuple[str, ...],
    method: str,
    grants: tuple[str, ...],
    response_types: tuple[str, ...],
) -> None:
    world = await a_world()
    client, secret = await clients.create(world.services, wanted(type=kind, redirect_uris=redirect_uris))
    assert client.token_endpoint_auth_method == method
    assert client.grant_types == grants
    assert client.response_types == response_types
    assert client.require_pkce
    assert (secret is None) == (method == "none")


@pytest.mark.parametrize("kind", ["regular_web", "spa"])
@pytest.mark.parametrize(
    ("grants", "response_types"),
    [
        (("implicit",), ("id_token", "id_token token")),
        (
            ("authorization_code", "implicit"),
            (
                "code",
                "id_token",
                "id_token token",
                "code id_token",
                "code token",
                "code id_token token",
            ),
        ),
    ],
)
async def test_response_types_follow_the_grants(
    kind: Any, grants: tuple[str, ...], response_types: tuple[str, ...]
) -> None:
    world = await a_world()
    client, _ = await clients.create(world.services, wanted(type=kind, grant_types=grants))
    assert client.response_types == response_types
    again = ClientChanges(grant_types=("authorization_code",))
    assert (await clients.change(world.services, "my", again)).response_types == ("code",)


async def test_an_app_chooses_what_signs_its_id_tokens_and_whether_they_carry_the_profile() -> None:
    world = await a_world()
    client, _ = await clients.create(world.services, wanted())
    assert (client.id_token_signed_response_alg, client.id_token_profile) == ("RS256", True)
    other, _ = await clients.create(
        world.services,
        wanted(client_id="calm", id_token_signed_response_alg="ES256", id_token_profile=False),
    )
    assert (other.id_token_signed_response_alg, other.id_token_profile) == ("ES256", False)
    assert app_document.of(other)["id_token_profile"] is False
    assert app_document.lines(other)["ID tokens"] == "ES256, without the profile"
    changes = ClientChanges(id_token_signed_response_alg="RS256", id_token_profile=True)
    changed = await clients.change(world.services, "calm", changes)
    assert (changed.id_token_signed_response_alg, changed.id_token_profile) == ("RS256", True)
    untouched = await clients.change(world.services, "calm", ClientChanges(name="Calm"))
    assert (untouched.id_token_signed_response_alg, untouched.id_token_profile) == ("RS256", True)


async def test_a_browser_app_may_call_from_the_origins_of_its_callbacks_and_no_other_type_may() -> None:
    world = await a_world()
    spa, _ = await clients.create(world.services, wanted(client_id="s", type="spa"))
    web, _ = await clients.create(world.services, wanted(client_id="w"))
    assert spa.allowed_origins == ("https://my.example.test",)
    assert web.allowed_origins == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"client_id": "ik|abc"}, "letters, digits"),
        ({"client_id": "a b"}, "letters, digits"),
        ({"client_id": "a" * 65}, "1 to 64"),
        ({"client_id": ""}, "1 to 64"),
        ({"redirect_uris": ()}, "--callback"),
        ({"redirect_uris": ("http://my.example.test/cb",)}, "https"),
        ({"redirect_uris": (CALLBACK + "#f",)}, "fragment"),
        ({"redirect_uris": ("com.example.app:/cb",)}, "native"),
        ({"type": "spa", "token_endpoint_auth_method": "client_secret_basic"}, "cannot keep a secret"),
        ({"type": "regular_web", "token_endpoint_auth_method": "none"}, "with a secret"),
        ({"grant_types": ("password",), "redirect_uris": ()}, "switched off"),
        ({"type": "spa", "grant_types": ("authorization_code", "client_credentials")}, "not for spa"),
        ({"type": "m2m"}, "no callback"),
        ({"grant_types": ("implicit",), "redirect_uris": ()}, "--callback"),
        ({"grant_types": ("implicit",), "is_first_party": False}, "third-party"),
        ({"grant_types": ("client_credentials", "implicit"), "type": "m2m"}, "not for m2m"),
        ({"grant_types": ("implicit",), "type": "native"}, "not for native"),
        ({"allowed_origins": ("https://my.example.test/path",)}, "web origin"),
        ({"api_grants": (ApiGrant(api=ApiIdentifier("https://nobody"), scope=("a",)),)}, "no API"),
        (
            {"api_grants": (ApiGrant(api=TIMESHEETS, scope=("read:timesheets2",)),)},
            "no scope 'read:timesheets2'",
        ),
        ({"name": "Evil\nApp"}, "visible characters"),
        ({"client_id": "web"}, "exists already"),
    ],
)
async def test_what_is_unsafe_or_cannot_work_is_refused_in_words(asked: dict[str, Any], reason: str) -> None:
    world = await a_world()
    before = await world.services.store.clients.list()
    with pytest.raises(Refused, match=reason):
        await clients.create(world.services, wanted(**asked))
    assert await world.services.store.clients.list() == before


async def test_both_secrets_work_during_a_rotation_and_only_the_new_one_after_it() -> None:
    world = await a_world()
    _, new = await clients.rotate_secret(world.services, "cron", keep_old=timedelta(hours=24))
    await world.services.registry.refresh()
    assert await answers(world, [None, new]) == [200, 200]
    world.clock.advance(hours=25)
    assert await answers(world, [None, new]) == [401, 200]


async def test_a_rotation_that_keeps_nothing_ends_the_old_secret_at_once() -> None:
    world = await a_world()
    _, new = await clients.rotate_secret(world.services, "cron", keep_old=timedelta())
    await world.services.registry.refresh()
    assert await answers(world, [None, new]) == [401, 200]


async def test_a_second_rotation_leaves_two_secrets_alive_and_prolongs_none() -> None:
    world = await a_world()
    await clients.rotate_secret(world.services, "cron", keep_old=timedelta(hours=1))
    world.clock.advance(minutes=1)
    client, _ = await clients.rotate_secret(world.services, "cron", keep_old=timedelta(hours=1))
    assert len(client.secrets) == 2
    assert client.secrets[1].created_at == world.clock.now() - timedelta(minutes=1)


async def test_a_public_app_has_no_secret_to_rotate() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="public app"):
        await clients.rotate_secret(world.services, "spa", keep_old=timedelta())


async def test_disabling_an_app_moves_its_epoch_so_that_its_grants_end() -> None:
    world = await a_world()
    before = await clients.find(world.services, "web")
    after = await clients.change(world.services, "web", ClientChanges(is_enabled=False))
    assert not after.is_enabled
    assert after.epoch == before.epoch + 1
    assert after.tokens_not_before == world.clock.now() - clients.CLOCKS_DIFFER


async def test_new_callbacks_of_a_browser_app_move_its_origins_and_keep_those_set_by_hand() -> None:
    world = await a_world()
    await clients.change(
        world.services,
        "spa",
        ClientChanges(allowed_origins=("https://spa.example.test", "https://hand.example")),
    )
    after = await clients.change(
        world.services, "spa", ClientChanges(redirect_uris=("https://new.example/cb",))
    )
    assert after.allowed_origins == ("https://hand.example", "https://new.example")


async def test_a_change_that_changes_nothing_writes_nothing() -> None:
    world = await a_world()
    before = await clients.find(world.services, "web")
    assert await clients.change(world.services, "web", ClientChanges(name="Web")) == before


async def test_that_nothing_had_to_be_changed_is_not_said_before_it_is_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change that was answered with an error may be seen, and a failover may still lose it."""
    world = await a_world()

    async def away(*args: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(type(world.services.store), "probe", away)
    with pytest.raises(StoreUnavailable):
        await clients.change(world.services, "web", ClientChanges(name="Web"))


async def test_two_administrators_at_once_lose_neither_change(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_world()
    store = world.services.store
    replace = store.clients.replace
    meddled: list[bool] = []

    async def meddling(client: Client, **more: Any) -> Any:
        if not meddled:
            meddled.append(True)
            await world.change("web", publisher="Somebody")
        return await replace(client, **more)

    monkeypatch.setattr(store.clients, "replace", meddling)
    after = await clients.change(world.services, "web", ClientChanges(name="Renamed"))
    assert (after.name, after.publisher) == ("Renamed", "Somebody")


async def test_an_administrator_who_always_comes_second_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_world()

    async def conflict(*_: Any, **__: Any) -> Conflict:
        return Conflict(what="somebody was faster")

    monkeypatch.setattr(world.services.store.clients, "replace", conflict)
    with pytest.raises(Refused, match="somebody was faster"):
        await clients.change(world.services, "web", ClientChanges(name="Renamed"))


async def test_a_deleted_app_is_gone() -> None:
    world = await a_world()
    await clients.delete(world.services, "web")
    assert await world.services.store.clients.get(ClientId("web")) is None
    with pytest.raises(Refused, match="no app 'web'"):
        await clients.delete(world.services, "web")


async def answers(world: World, secrets: list[str | None]) -> list[int]:
    """The statuses of client_credentials with each secret; None is the first one."""
    http = world.http()
    form = {"grant_type": "client_credentials", "audience": TIMESHEETS}
    found = []
    for secret in secrets:
        headers = basic("cron") if secret is None else basic("cron", secret)
        found.append((await http.post("/oauth/token", data=form, headers=headers)).status_code)
    return found


async def test_refresh_tokens_rotate_and_end_by_the_type_of_the_app() -> None:
    world = await a_world()
    web, _ = await clients.create(world.services, wanted())
    assert web.refresh == RefreshPolicy(
        rotation=True, overlap=timedelta(seconds=10), idle=timedelta(days=14), absolute=timedelta(days=90)
    )
    spa, _ = await clients.create(world.services, wanted(client_id="spa2", type="spa"))
    assert (spa.refresh.idle, spa.refresh.absolute) == (timedelta(hours=24), timedelta(hours=24))


async def test_a_shorter_absolute_lifetime_brings_the_idle_one_along_at_creation() -> None:
    world = await a_world()
    asked = clients.RefreshChanges(absolute=timedelta(hours=1))
    client, _ = await clients.create(world.services, wanted(refresh=asked))
    assert client.refresh.idle == client.refresh.absolute == timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("spa", {"rotation": False}),
        ("regular_web", {"overlap": timedelta(seconds=61)}),
        ("regular_web", {"idle": timedelta()}),
        ("regular_web", {"idle": timedelta(days=91)}),
        ("regular_web", {"idle": timedelta(days=4000), "absolute": timedelta(days=4000)}),
    ],
)
async def test_an_unsafe_refresh_policy_is_refused(kind: Any, asked: dict[str, Any]) -> None:
    world = await a_world()
    refresh = clients.RefreshChanges(**asked)
    with pytest.raises(Refused):
        await clients.create(world.services, wanted(type=kind, refresh=refresh))
    client, _ = await clients.create(world.services, wanted(type=kind))
    with pytest.raises(Refused):
        await clients.change(world.services, "my", clients.ClientChanges(refresh=refresh))
    after = await clients.find(world.services, "my")
    assert after.refresh == client.refresh


async def test_one_part_of_a_refresh_policy_is_changed_and_the_rest_stays() -> None:
    world = await a_world()
    before, _ = await clients.create(world.services, wanted())
    changes = clients.ClientChanges(refresh=clients.RefreshChanges(overlap=timedelta()))
    after = await clients.change(world.services, "my", changes)
    assert after.refresh == replace(before.refresh, overlap=timedelta())
