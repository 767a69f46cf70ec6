"""`innkeeper directory`: sets of people with names and passwords of their own."""

from __future__ import annotations

from typing import Any

import click

from innkeeper.server.cli import output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import directories
from innkeeper.server.flows.administer.directories import DirectoryChanges
from innkeeper.server.flows.services import Services
from innkeeper.server.model.directory import DEFAULT_DIRECTORY, Directory

label_option = click.option("--label", help="What people read when they sign in to it.")
domain_option = click.option(
    "--email-domain",
    "email_domains",
    multiple=True,
    metavar="DOMAIN",
    help="Who types an address of it is looked up here. May be repeated; a change names all of them anew.",
)


@click.group(short_help="Directories: sets of people, each with its own passwords.")
def directory() -> None:
    """Directories of people. Everybody is in the one named default, unless they were created in another."""


@directory.command("create")
@click.argument("name")
@label_option
@domain_option
@administration
async def create(services: Services, *, name: str, label: str | None, email_domains: tuple[str, ...]) -> None:
    """Create a directory. Apps name it as `connection` or `realm`."""
    await directories.create(services, name, DirectoryChanges(label=label, email_domains=email_domains))
    output.done(f"Created the directory {name}.")


@directory.command("list")
@json_option
@administration
async def list_directories(services: Services, *, as_json: bool) -> None:
    """List all directories."""
    default = await directories.find(services, DEFAULT_DIRECTORY)
    others = (await services.store.registry.snapshot()).directories.values()
    found = [default, *sorted(others, key=lambda record: record.name)]
    if as_json:
        output.document([_document(record) for record in found])
        return
    rows = [(record.name, record.label, ", ".join(record.email_domains) or "-") for record in found]
    output.table(("DIRECTORY", "LABEL", "E-MAIL DOMAINS"), rows, empty="")


@directory.command("show")
@click.argument("name")
@json_option
@administration
async def show(services: Services, *, name: str, as_json: bool) -> None:
    """Show a directory and who is in it."""
    record = await directories.find(services, name)
    people = [user.username for user in await services.store.users.list() if user.directory == record.name]
    if as_json:
        output.document(_document(record) | {"users": people})
        return
    output.fields(
        {
            "Directory": record.name,
            "Label": record.label,
            "E-mail domains": ", ".join(record.email_domains) or "-",
            "Users": ", ".join(people) or "-",
        }
    )


@directory.command("change")
@click.argument("name")
@label_option
@domain_option
@administration
async def change(services: Services, *, name: str, label: str | None, email_domains: tuple[str, ...]) -> None:
    """Change a directory. An empty --email-domain takes all of its domains away."""
    before = await directories.find(services, name)
    changes = DirectoryChanges(label=label, email_domains=email_domains or None)
    after = await directories.change(services, name, changes)
    output.done(f"{'Unchanged' if after == before else 'Changed'}: {name}.")


@directory.command("delete")
@click.argument("name")
@administration
async def delete(services: Services, *, name: str) -> None:
    """Delete a directory that nobody is in any more."""
    await directories.delete(services, name)
    output.done(f"Deleted the directory {name}.")


def _document(record: Directory) -> dict[str, Any]:
    return {"name": record.name, "label": record.label, "email_domains": record.email_domains}
