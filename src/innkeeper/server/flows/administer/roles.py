"""Roles: names for sets of permissions (R-SC4)."""

import re

import msgspec
from msgspec.structs import replace as with_changes

from innkeeper.server.flows.administer import client_rules
from innkeeper.server.flows.administer.refusal import Refused, changed, replace
from innkeeper.server.flows.first_administrator import ADMINISTRATOR
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import ApiGrant
from innkeeper.server.model.role import Permission, Role
from innkeeper.server.storage.outcomes import Conflict, Missing

_NAME = re.compile(r"[^\W_][\w .:-]{0,63}")


class RoleChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change."""

    description: str | None = None
    allow: tuple[Permission, ...] = ()
    forbid: tuple[Permission, ...] = ()


async def find(services: Services, name: str) -> Role:
    """The role, or `Refused` with the remedy."""
    role = await services.store.roles.get(name)
    if role is None:
        raise Refused(
            f"There is no role {name!r}. `innkeeper role list` shows them; names are matched by case."
        )
    return role


async def create(services: Services, role: Role) -> Role:
    """Effective at the next token that is issued."""
    if _NAME.fullmatch(role.name) is None or role.name.strip() != role.name:
        raise Refused(
            "A role's name has 1 to 64 letters, digits, spaces and . : _ - and starts with a letter or digit."
        )
    await check_permissions(services, role.permissions)
    role = with_changes(role, permissions=tuple(sorted(set(role.permissions))))
    if isinstance(
        await services.store.roles.create(role, events=changed(services, "role", role.name, "created")),
        Conflict,
    ):
        raise Refused(f"The role {role.name!r} exists already. `innkeeper role change` changes it.")
    return role


async def change(services: Services, name: str, changes: RoleChanges) -> Role:
    """Effective at the next token that is issued."""
    await check_permissions(services, changes.allow)

    def decide(role: Role) -> Role:
        return with_changes(
            role,
            description=role.description if changes.description is None else changes.description,
            permissions=updated(role.permissions, changes.allow, changes.forbid),
        )

    return await replace(
        services.store,
        lambda: find(services, name),
        decide,
        lambda role: services.store.roles.replace(role, events=changed(services, "role", name, "changed")),
    )


async def delete(services: Services, name: str) -> None:
    """Only a role that nobody has any more."""
    if name == ADMINISTRATOR:
        raise Refused(f"The role {ADMINISTRATOR} cannot be deleted.")
    await find(services, name)
    holders = [user.username for user in await services.store.users.list() if name in user.roles]
    if holders:
        raise Refused(
            f"{name} is still the role of {', '.join(holders)}. `innkeeper user change` takes it away."
        )
    if isinstance(
        await services.store.roles.delete(name, events=changed(services, "role", name, "deleted")), Missing
    ):
        raise Refused(f"There is no role {name!r}.")


async def check_permissions(services: Services, permissions: tuple[Permission, ...]) -> None:
    """Every API and scope exists."""
    apis = (await services.store.registry.snapshot()).apis
    for permission in permissions:
        client_rules.check_api_grant(ApiGrant(api=permission.api, scope=(permission.scope,)), apis)


def updated(
    before: tuple[Permission, ...], allow: tuple[Permission, ...], forbid: tuple[Permission, ...]
) -> tuple[Permission, ...]:
    """Sorted, each once. Taking away what is not there is refused, since it is most often a typing error."""
    for permission in forbid:
        if permission not in before:
            raise Refused(f"{permission.scope} of {permission.api} is not given here.")
    return tuple(sorted((set(before) | set(allow)) - set(forbid)))
