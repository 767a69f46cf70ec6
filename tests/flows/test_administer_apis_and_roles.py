"""APIs, scopes and roles: named so that nothing else can be meant, and never pulled away under a user."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.server.cli import api_document
from innkeeper.server.flows.administer import apis, roles
from innkeeper.server.flows.administer.apis import ApiChanges
from innkeeper.server.flows.administer.refusal import Refused
from innkeeper.server.flows.administer.roles import RoleChanges
from innkeeper.server.model.api import Api, ApiScope
from innkeeper.server.model.identifiers import ApiIdentifier
from innkeeper.server.model.role import Permission, Role
from tests.world import ISSUER, PAYROLL, TIMESHEETS, a_world

READ = Permission(api=TIMESHEETS, scope="read:timesheets")
PAY = Permission(api=PAYROLL, scope="read:payroll")


def an_api(**changes: Any) -> Api:
    api = Api(
        identifier=ApiIdentifier("https://api.example.test/new"),
        name="New",
        scopes=(ApiScope(value="read:new"),),
    )
    return msgspec.structs.replace(api, **changes)


async def test_a_new_api_is_in_the_registry() -> None:
    world = await a_world()
    await apis.create(world.services, an_api())
    await world.services.registry.refresh()
    assert an_api().identifier in world.services.registry.snapshot.apis


@pytest.mark.parametrize("identifier", ["urn:example:new", "https://api.example.test/", "com.example.api:v1"])
async def test_any_absolute_uri_can_name_an_api(identifier: str) -> None:
    world = await a_world()
    assert (await apis.create(world.services, an_api(identifier=identifier))).identifier == identifier


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identifier": "timesheets"}, "absolute URI"),
        ({"identifier": "https://api.example.test/a b"}, "absolute URI"),
        ({"identifier": "https://api.example.test/#f"}, "absolute URI"),
        ({"identifier": "https://api.example.test/" + "a" * 300}, "absolute URI"),
        ({"identifier": ISSUER}, "own"),
        ({"identifier": f"{ISSUER}/"}, "own"),
        ({"identifier": f"{ISSUER}/userinfo"}, "own"),
        ({"identifier": TIMESHEETS}, "exists already"),
        ({"scopes": (ApiScope(value="openid"),)}, "OpenID Connect"),
        ({"scopes": (ApiScope(value="offline_access"),)}, "OpenID Connect"),
        ({"scopes": (ApiScope(value="read write"),)}, "one word"),
        ({"scopes": (ApiScope(value=""),)}, "cannot be a scope"),
        ({"scopes": (ApiScope(value='say"hi'),)}, "cannot be a scope"),
        ({"scopes": (ApiScope(value="a", description="line\nbreak"),)}, "visible"),
        ({"default_scope": ("write:new",)}, "default scope"),
        ({"access_token_lifetime": timedelta(days=31)}, "30 days"),
        ({"access_token_lifetime": timedelta(0)}, "1 second"),
        ({"name": " "}, "visible characters"),
    ],
)
async def test_an_api_that_could_be_mistaken_is_refused(changes: dict[str, Any], reason: str) -> None:
    world = await a_world()
    with pytest.raises(Refused, match=reason):
        await apis.create(world.services, an_api(**changes))


async def test_an_api_in_use_is_not_deleted_and_the_refusal_names_its_users() -> None:
    world = await a_world()
    await world.change_user("carl", permissions=(READ,))
    with pytest.raises(Refused) as refusal:
        await apis.delete(world.services, TIMESHEETS)
    for user in ("app cron", "app paycheck", "role Employee", "user carl"):
        assert user in str(refusal.value)


async def test_an_api_that_nobody_uses_is_deleted() -> None:
    world = await a_world()
    await apis.delete(world.services, PAYROLL)
    assert await world.services.store.apis.get(PAYROLL) is None


async def test_a_scope_that_somebody_has_is_not_removed() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="role Employee"):
        await apis.change(world.services, TIMESHEETS, ApiChanges(remove_scopes=("delete:timesheets",)))


async def test_scopes_come_and_go_and_get_other_words() -> None:
    world = await a_world()
    changes = ApiChanges(
        add_scopes=(ApiScope(value="read:payroll", description="New words"), ApiScope(value="write:payroll"))
    )
    after = await apis.change(world.services, PAYROLL, changes)
    assert [(scope.value, scope.description) for scope in after.scopes] == [
        ("read:payroll", "New words"),
        ("write:payroll", ""),
    ]
    after = await apis.change(world.services, PAYROLL, ApiChanges(remove_scopes=("write:payroll",)))
    assert after.scope_values == ("read:payroll",)


async def test_a_scope_that_is_not_there_cannot_be_removed() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="no scope"):
        await apis.change(world.services, PAYROLL, ApiChanges(remove_scopes=("x",)))


async def test_switches_of_an_api_are_turned_one_by_one() -> None:
    world = await a_world()
    after = await apis.change(world.services, PAYROLL, ApiChanges(enforce_rbac=True, skip_consent=False))
    assert (after.enforce_rbac, after.skip_consent, after.user_access) == (True, False, "all")


async def test_a_role_gives_only_scopes_that_exist() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="no scope"):
        await roles.create(
            world.services, Role(name="R", permissions=(Permission(api=TIMESHEETS, scope="read:everything"),))
        )
    with pytest.raises(Refused, match="no API"):
        await roles.change(
            world.services,
            "Employee",
            RoleChanges(allow=(Permission(api=ApiIdentifier("urn:nobody"), scope="x"),)),
        )


async def test_permissions_of_a_role_are_added_and_taken_away() -> None:
    world = await a_world()
    after = await roles.change(world.services, "Employee", RoleChanges(allow=(PAY,), forbid=(READ,)))
    assert PAY in after.permissions
    assert READ not in after.permissions
    with pytest.raises(Refused, match="not given"):
        await roles.change(world.services, "Employee", RoleChanges(forbid=(READ,)))


async def test_role_names_are_matched_by_case_and_taken_once() -> None:
    world = await a_world()
    await roles.create(world.services, Role(name="employee"))
    with pytest.raises(Refused, match="exists already"):
        await roles.create(world.services, Role(name="Employee"))
    with pytest.raises(Refused, match="letters"):
        await roles.create(world.services, Role(name=" x"))


async def test_a_role_that_somebody_has_is_not_deleted() -> None:
    world = await a_world()
    with pytest.raises(Refused, match=r"erin, mona|mona, erin"):
        await roles.delete(world.services, "Employee")
    await roles.create(world.services, Role(name="Empty"))
    await roles.delete(world.services, "Empty")
    assert await world.services.store.roles.get("Empty") is None


async def test_the_role_of_administrators_stays() -> None:
    world = await a_world()
    with pytest.raises(Refused, match="Administrator"):
        await roles.delete(world.services, "Administrator")


@pytest.mark.parametrize(
    ("field", "value", "default"),
    [
        ("token_format", "opaque", "jwt"),
        ("token_profile", "auth0", "rfc9068"),
        ("permissions_claim", True, False),
    ],
)
async def test_how_the_tokens_of_an_api_look_is_set_and_shown(field: str, value: Any, default: Any) -> None:
    world = await a_world()
    assert getattr(await apis.find(world.services, PAYROLL), field) == default
    after = await apis.change(world.services, PAYROLL, ApiChanges(**{field: value}))
    assert getattr(after, field) == value
    assert api_document.of(after)[field] == value
    assert (
        api_document.lines(after)["Tokens"] != api_document.lines(Api(identifier=PAYROLL, name="P"))["Tokens"]
    )
    assert getattr(await apis.change(world.services, PAYROLL, ApiChanges(name="Pay")), field) == value


def test_every_field_of_an_api_is_shown_to_programs() -> None:
    shown = set(api_document.of(Api(identifier=PAYROLL, name="Payroll")))
    inner = {"revision"}
    renamed = {"access_token_lifetime": "access_token_lifetime_s"}
    assert {renamed.get(name, name) for name in Api.__struct_fields__} - inner == shown
