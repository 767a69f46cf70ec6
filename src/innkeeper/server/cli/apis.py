"""`innkeeper api`: APIs and their scopes."""

from __future__ import annotations

from typing import Any, Final, get_args

import click

from innkeeper.server.cli import api_document, arguments, output
from innkeeper.server.cli.arguments import Command
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import apis
from innkeeper.server.flows.services import Services
from innkeeper.server.model.api import Api
from innkeeper.server.model.client import SigningAlgorithm
from innkeeper.server.model.identifiers import ApiIdentifier

SETTINGS: Final = (
    click.option("--name", help="What people read. Default: ID."),
    click.option("--default-scope", multiple=True, help="When a request names none."),
    click.option(
        "--signing-alg", type=click.Choice(get_args(SigningAlgorithm)), help="Of its access tokens."
    ),
    click.option(
        "--token-lifetime",
        "access_token_lifetime",
        type=arguments.Duration(),
        help="Of its access tokens, as 900, 15m, 24h.",
    ),
    click.option(
        "--token-format",
        type=click.Choice(["jwt", "opaque"]),
        help="Opaque tokens say nothing and are asked about at /oauth/introspect.",
    ),
    click.option(
        "--token-profile",
        type=click.Choice(["rfc9068", "auth0"]),
        help="What its JWTs look like; a new API has rfc9068.",
    ),
    click.option(
        "--permissions-claim/--no-permissions-claim",
        default=None,
        help="Whether its tokens list all that the person may do on it, asked for or not.",
    ),
    click.option(
        "--offline-access/--no-offline-access",
        "allow_offline_access",
        default=None,
        help="Whether apps may ask for refresh tokens.",
    ),
    click.option(
        "--skip-consent/--ask-consent",
        default=None,
        help="Whether people are asked about first-party apps.",
    ),
    click.option(
        "--rbac/--no-rbac", "enforce_rbac", default=None, help="Only scopes that a person's roles give."
    ),
    click.option(
        "--user-access",
        type=click.Choice(["all", "per_app", "none"]),
        help="Which apps may ask on behalf of people: all, those with a client grant, or none.",
    ),
)
"""Each option once, for create and change; a parameter is named after the field of `Api` that it fills."""


def settings(command: Command) -> Command:
    """Gives a command every option of `SETTINGS`; their values arrive as `**options`."""
    return arguments.with_options(SETTINGS, command)


def said(options: dict[str, Any]) -> dict[str, Any]:
    """What was named, as keywords of `Api` and `ApiChanges`."""
    named = arguments.named(options)
    if "default_scope" in named:
        named["default_scope"] = arguments.words(named["default_scope"])
    return named


@click.group(short_help="APIs and their scopes.")
def api() -> None:
    """APIs and their scopes: create, list, show, change, delete."""


@api.command("create")
@click.argument("identifier", metavar="ID")
@click.option(
    "--scope", "scopes", multiple=True, metavar="SCOPE[=WORDS]", help="A scope, and what it means to people."
)
@settings
@administration
async def create(services: Services, /, *, identifier: str, scopes: tuple[str, ...], **options: Any) -> None:
    """Create an API. ID is its audience: an absolute URI, compared, never called, never changed."""
    record = Api(
        identifier=ApiIdentifier(identifier),
        scopes=tuple({scope.value: scope for scope in map(arguments.scope, scopes)}.values()),
        **({"name": identifier} | said(options)),
    )
    await apis.create(services, record)
    output.done(f"Created the API {identifier}.")


@api.command("list")
@json_option
@administration
async def list_apis(services: Services, *, as_json: bool) -> None:
    """List all APIs."""
    found = sorted((await services.store.registry.snapshot()).apis.values(), key=lambda api: api.identifier)
    if as_json:
        output.document([api_document.of(record) for record in found])
        return
    rows = [(record.identifier, record.name, " ".join(record.scope_values)) for record in found]
    output.table(("API", "NAME", "SCOPES"), rows, empty="No APIs yet: `innkeeper api create`.")


@api.command("show")
@click.argument("identifier", metavar="ID")
@json_option
@administration
async def show(services: Services, *, identifier: str, as_json: bool) -> None:
    """Show an API and who uses it."""
    record = await apis.find(services, identifier)
    used_by = await apis.users_of(services, identifier)
    if as_json:
        output.document(api_document.of(record) | {"used_by": used_by})
        return
    output.fields(api_document.lines(record) | {"Used by": used_by})


@api.command("change")
@click.argument("identifier", metavar="ID")
@click.option(
    "--add-scope", "added", multiple=True, metavar="SCOPE[=WORDS]", help="A new scope, or new words for one."
)
@click.option(
    "--remove-scope", "removed", multiple=True, metavar="SCOPE", help="A scope that nobody has any more."
)
@settings
@administration
async def change(
    services: Services,
    /,
    *,
    identifier: str,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    **options: Any,
) -> None:
    """Change an API. What is not named stays; the running server follows within a second."""
    before = await apis.find(services, identifier)
    changes = apis.ApiChanges(
        add_scopes=tuple(map(arguments.scope, added)), remove_scopes=arguments.words(removed), **said(options)
    )
    after = await apis.change(services, identifier, changes)
    output.done(f"{'Unchanged' if after == before else 'Changed'}: {identifier}.")


@api.command("delete")
@click.argument("identifier", metavar="ID")
@administration
async def delete(services: Services, *, identifier: str) -> None:
    """Delete an API that no app, role or person uses any more."""
    await apis.delete(services, identifier)
    output.done(f"Deleted the API {identifier}.")
