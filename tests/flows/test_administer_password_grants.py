"""Giving an app the password grants: switched on first, acknowledged, written down."""

from __future__ import annotations

from typing import Any

import pytest

from innkeeper.server.config import LegacyFlows
from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.administer.clients import ClientChanges, NewClient
from innkeeper.server.flows.administer.refusal import Refused
from tests.passwords import PLAIN, REALM
from tests.world import WEB_CALLBACK, World, a_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> World:
    return await a_world(legacy=LegacyFlows(password=True))


def wanted(**changes: Any) -> NewClient:
    asked: dict[str, Any] = {
        "client_id": "till", "type": "regular_web", "grant_types": (PLAIN,), "acknowledges_password_grant": True
    }  # fmt: skip
    return NewClient(**(asked | changes))


PUBLIC: dict[str, Any] = {"type": "native", "grant_types": (REALM,)}


async def audit(world: World) -> list[str]:
    rows = await world.services.store.audit_rows()  # type: ignore[attr-defined]
    return [row.record.decode() for row in rows if row.type == "risk.acknowledged"]


async def test_an_acknowledged_app_has_the_grant_and_the_audit_says_so(world: World) -> None:
    client, secret = await clients.create(world.services, wanted())
    assert client.grant_types == (PLAIN,) and secret is not None
    [row] = await audit(world)
    assert '"till"' in row and '"password_grant"' in row


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"acknowledges_password_grant": False}, "--acknowledge-password-grant"),
        ({"is_first_party": False}, "third-party"),
        (PUBLIC, "--allow-public-password-grant"),
        ({**PUBLIC, "type": "spa"}, "--allow-public-password-grant"),
        (
            {**PUBLIC, "allow_public_password_grant": True, "acknowledges_password_grant": False},
            "--acknowledge",
        ),
        ({"type": "m2m"}, "not for m2m"),
    ],
)
async def test_what_is_refused_leaves_no_app(world: World, changes: Any, because: str) -> None:
    with pytest.raises(Refused, match=because):
        await clients.create(world.services, wanted(**changes))
    assert await world.services.store.clients.get("till") is None  # type: ignore[arg-type]
    assert not await audit(world)


async def test_an_app_without_a_secret_needs_both_words_and_both_are_written_down(world: World) -> None:
    await clients.create(world.services, wanted(**PUBLIC, allow_public_password_grant=True))
    assert len(await audit(world)) == 2


async def test_while_it_is_switched_off_nobody_is_given_it() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="legacy"):
        await clients.create(world.services, wanted())
    with pytest.raises(Refused, match="legacy"):
        changes = ClientChanges(grant_types=("authorization_code", REALM), acknowledges_password_grant=True)
        await clients.change(world.services, "web", changes)


async def test_a_change_needs_the_word_once(world: World) -> None:
    both = ("authorization_code", PLAIN)
    with pytest.raises(Refused, match="--acknowledge-password-grant"):
        await clients.change(world.services, "web", ClientChanges(grant_types=both))
    said = ClientChanges(grant_types=both, acknowledges_password_grant=True)
    assert (await clients.change(world.services, "web", said)).grant_types == both
    assert (await clients.change(world.services, "web", ClientChanges(name="Web shop"))).name == "Web shop"
    wider = ClientChanges(grant_types=(*both, REALM))
    assert REALM in (await clients.change(world.services, "web", wider)).grant_types
    assert len(await audit(world)) == 1


async def test_taking_the_secret_rule_away_later_is_a_risk_of_its_own(world: World) -> None:
    await clients.create(world.services, wanted(**PUBLIC, allow_public_password_grant=True))
    with pytest.raises(Refused, match="--allow-public-password-grant"):
        await clients.change(world.services, "till", ClientChanges(allow_public_password_grant=False))


async def test_an_app_that_has_it_can_be_changed_while_it_is_switched_off(world: World) -> None:
    await clients.create(
        world.services, wanted(grant_types=("authorization_code", PLAIN), redirect_uris=(WEB_CALLBACK,))
    )
    off = await a_world(world.services.store)
    changed = await clients.change(off.services, "till", ClientChanges(name="Old till"))
    assert changed.name == "Old till" and PLAIN in changed.grant_types
    gone = await clients.change(off.services, "till", ClientChanges(grant_types=("authorization_code",)))
    assert PLAIN not in gone.grant_types
