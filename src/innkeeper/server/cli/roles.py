"""`innkeeper role`: names for sets of permissions."""

from __future__ import annotations

from typing import Any

import click

from innkeeper.server.cli import arguments, output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import roles
from innkeeper.server.flows.services import Services
from innkeeper.server.model.role import Permission, Role

api_option = click.option("--api", metavar="ID", help="The API that the scopes belong to.")


@click.group(short_help="Roles: names for sets of permissions.")
def role() -> None:
    """Roles give permissions on APIs to people: create, list, show, change, delete."""


@role.command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@api_option
@click.option("--scope", "scopes", multiple=True, help="A scope of --api that the role gives.")
@administration
async def create(
    services: Services, *, name: str, description: str, api: str | None, scopes: tuple[str, ...]
) -> None:
    """Create a role."""
    permissions = arguments.permissions(api, scopes, option="--scope")
    await roles.create(services, Role(name=name, description=description, permissions=permissions))
    output.done(f"Created the role {name}.")


@role.command("list")
@json_option
@administration
async def list_roles(services: Services, *, as_json: bool) -> None:
    """List all roles."""
    found = sorted((await services.store.registry.snapshot()).roles.values(), key=lambda role: role.name)
    if as_json:
        output.document([_document(record) for record in found])
        return
    rows = [(record.name, str(len(record.permissions)), record.description) for record in found]
    output.table(("ROLE", "PERMISSIONS", "DESCRIPTION"), rows, empty="No roles yet: `innkeeper role create`.")


@role.command("show")
@click.argument("name")
@json_option
@administration
async def show(services: Services, *, name: str, as_json: bool) -> None:
    """Show a role and who has it."""
    record = await roles.find(services, name)
    holders = [user.username for user in await services.store.users.list() if name in user.roles]
    if as_json:
        output.document(_document(record) | {"users": holders})
        return
    output.fields(
        {
            "Role": record.name,
            "Description": record.description or "-",
            "Permissions": describe(record.permissions),
            "Users": ", ".join(holders) or "-",
        }
    )


@role.command("change")
@click.argument("name")
@click.option("--description", help="What it is for.")
@api_option
@click.option("--add-scope", "added", multiple=True, help="A scope of --api that the role gives from now on.")
@click.option("--remove-scope", "removed", multiple=True, help="A scope of --api that it gives no more.")
@administration
async def change(
    services: Services,
    *,
    name: str,
    description: str | None,
    api: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
) -> None:
    """Change a role. It counts from the next token on."""
    before = await roles.find(services, name)
    changes = roles.RoleChanges(
        description=description,
        allow=arguments.permissions(api, added, option="--add-scope"),
        forbid=arguments.permissions(api, removed, option="--remove-scope"),
    )
    after = await roles.change(services, name, changes)
    output.done(f"{'Unchanged' if after == before else 'Changed'}: {name}.")


@role.command("delete")
@click.argument("name")
@administration
async def delete(services: Services, *, name: str) -> None:
    """Delete a role that nobody has any more."""
    await roles.delete(services, name)
    output.done(f"Deleted the role {name}.")


def describe(permissions: tuple[Permission, ...]) -> list[str]:
    """One line per API."""
    scopes: dict[str, list[str]] = {}
    for permission in permissions:
        scopes.setdefault(permission.api, []).append(permission.scope)
    return [f"{api}: {' '.join(values)}" for api, values in scopes.items()]


def _document(record: Role) -> dict[str, Any]:
    permissions = [{"api": permission.api, "scope": permission.scope} for permission in record.permissions]
    return {"name": record.name, "description": record.description, "permissions": permissions}
