"""Trusted issuers, as an administrator makes and changes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from innkeeper.server.flows.administer import directories, issuers
from innkeeper.server.flows.administer.directories import DirectoryChanges
from innkeeper.server.flows.administer.issuers import IssuerChanges
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.model.identifiers import ClientId
from tests.assertions import OTHER_EC_KEY, a_key
from tests.world import ISSUER, World, a_client, a_world

pytestmark = pytest.mark.anyio
PARTNER = "https://partner.example.test"
MANY = tuple(a_key({**OTHER_EC_KEY.public_jwk, "kid": str(number)}) for number in range(99))
KEY: dict[str, Any] = {"add_keys": (a_key(),)}


@pytest.fixture
async def world() -> World:
    made = await a_world()
    await issuers.create(made.services, PARTNER, IssuerChanges(**KEY, apps=("web", "web", "cron")))
    return made


async def test_an_issuer_is_made_with_its_keys_and_apps(world: World) -> None:
    found = await issuers.find(world.services, PARTNER)
    assert [app.client_id for app in found.apps] == ["web", "cron"]
    assert ([key.kid for key in found.keys], found.subject_is, found.directory) == (
        ["ec"],
        "user_id",
        "default",
    )
    await world.services.registry.refresh()
    assert world.services.registry.snapshot.trusted_issuers == {PARTNER: found}


@pytest.mark.parametrize(
    ("name", "changes", "because"),
    [
        ("", KEY, "1 to 512"),
        ("a b", KEY, "1 to 512"),
        ("ä", KEY, "1 to 512"),
        ("x" * 513, KEY, "1 to 512"),
        (ISSUER, KEY, "own issuer"),
        (PARTNER, KEY, "trusted already"),
        ("https://other", {}, "--key FILE or --jwks-uri"),
        ("https://other", KEY | {"apps": ("nobody",)}, "no app 'nobody'"),
        ("https://other", KEY | {"apps": ("spa",)}, "may not bring"),
        ("https://other", KEY | {"apps": ("paycheck",)}, "may not bring"),
        ("https://other", KEY | {"directory": "nowhere"}, "no directory 'nowhere'"),
        ("https://other", {"jwks_uri": "http://127.0.0.1/keys"}, "other machines only"),
        ("https://other", {"add_keys": (a_key({"kty": "oct", "k": "AA"}),)}, "cannot be used"),
        ("https://other", {"add_keys": MANY}, "at most"),
    ],
)
async def test_what_cannot_be_trusted(world: World, name: str, changes: dict[str, Any], because: str) -> None:
    with pytest.raises(Refused, match=because):
        await issuers.create(world.services, name, IssuerChanges(**changes))
    assert len((await world.services.store.registry.snapshot()).trusted_issuers) == 1


async def test_an_issuer_is_changed_but_for_its_name(world: World) -> None:
    await directories.create(world.services, "contractors", DirectoryChanges())
    changes = IssuerChanges(
        add_keys=(a_key(OTHER_EC_KEY.public_jwk),),
        remove_keys=("ec",),
        jwks_uri="https://partner.example.test/keys",
        subject_is="email",
        directory="contractors",
        apps=(),
    )
    after = await issuers.change(world.services, PARTNER, changes)
    assert ([key.kid for key in after.keys], after.apps, after.revision) == (["other"], (), 2)
    assert (after.subject_is, after.directory) == ("email", "contractors")
    assert await issuers.change(world.services, PARTNER, IssuerChanges()) == after
    bare = await issuers.change(world.services, PARTNER, IssuerChanges(jwks_uri=""))
    assert bare.jwks_uri is None
    with pytest.raises(Refused, match="--key FILE or --jwks-uri"):
        await issuers.change(world.services, PARTNER, IssuerChanges(remove_keys=("other",)))
    with pytest.raises(Refused, match="The issuer has no key"):
        await issuers.change(world.services, PARTNER, IssuerChanges(remove_keys=("ec",)))
    with pytest.raises(Refused, match="speaks of the people"):
        await directories.delete(world.services, "contractors")


async def test_an_app_that_was_named_keeps_its_day_and_a_later_one_gets_a_new_one(world: World) -> None:
    first = (await issuers.find(world.services, PARTNER)).apps
    world.clock.advance(hours=1)
    again = await issuers.change(world.services, PARTNER, IssuerChanges(apps=("web", "other")))
    assert again.apps[0] == first[0] and again.apps[1].since == first[0].since + timedelta(hours=1)
    await world.services.store.clients.delete(ClientId("web"), events=())
    world.clock.advance(hours=1)
    await world.services.store.clients.create(a_client("web", created_at=world.clock.now()), events=())
    renewed = await issuers.change(world.services, PARTNER, IssuerChanges(apps=("web",)))
    assert renewed.apps[0].since == world.clock.now()


async def test_an_issuer_is_deleted_once(world: World) -> None:
    await issuers.delete(world.services, PARTNER)
    with pytest.raises(Refused, match="innkeeper issuer list"):
        await issuers.delete(world.services, PARTNER)
    with pytest.raises(Refused, match="innkeeper issuer list"):
        await issuers.change(world.services, PARTNER, IssuerChanges(subject_is="email"))
