"""`innkeeper issuer`: issuers of others whose statements about people are believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, get_args

import click

from innkeeper.server.cli import arguments, output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import client_keys, issuers
from innkeeper.server.flows.administer.issuers import IssuerChanges
from innkeeper.server.flows.services import Services
from innkeeper.server.model.trusted_issuer import SubjectIs, TrustedIssuer

Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS: Final = (
    click.option(
        "--key",
        "key_files",
        type=click.File("rb"),
        multiple=True,
        help="A public key of it: PEM, JWK or JWK Set; - is standard input.",
    ),
    click.option(
        "--key-expires",
        "keys_last",
        type=arguments.Duration(),
        help="How long the keys of --key are good for.",
    ),
    click.option("--jwks-uri", metavar="URL", help="Where its public keys are. Empty takes it away."),
    click.option(
        "--subject-is",
        type=click.Choice(get_args(SubjectIs)),
        help="What its sub is here. Default: user_id. An e-mail address counts once it is verified.",
    ),
    click.option("--directory", metavar="NAME", help="Whose people it speaks of. Default: default."),
    click.option(
        "--app",
        "apps",
        multiple=True,
        metavar="APP",
        help="An app that may bring its assertions. May be repeated; a change names all of them anew.",
    ),
)


def settings(command: Command) -> Command:
    """Gives a command every option of `SETTINGS`."""
    return arguments.with_options(SETTINGS, command)


@click.group(short_help="Issuers of others whose word about people is taken.")
def issuer() -> None:
    """Issuers whose JWTs about people an app may bring for an access token (RFC 7523 §2.1)."""


@issuer.command("create")
@click.argument("name", metavar="ISS")
@settings
@administration
async def create(services: Services, /, *, name: str, **options: Any) -> None:
    """Trust the issuer that calls itself ISS in its assertions."""
    await issuers.create(services, name, _changes(services, options))
    output.done(f"{name} is trusted now.")


@issuer.command("list")
@json_option
@administration
async def list_issuers(services: Services, *, as_json: bool) -> None:
    """List all trusted issuers."""
    known = (await services.store.registry.snapshot()).trusted_issuers.values()
    found = sorted(known, key=lambda record: record.issuer)
    if as_json:
        output.document([_document(record) for record in found])
        return
    rows = [
        (record.issuer, record.subject_is, record.directory, ", ".join(_apps(record)) or "-")
        for record in found
    ]
    output.table(("ISSUER", "SUBJECT IS", "DIRECTORY", "APPS"), rows, empty="No issuer is trusted.")


@issuer.command("show")
@click.argument("name", metavar="ISS")
@json_option
@administration
async def show(services: Services, *, name: str, as_json: bool) -> None:
    """Show a trusted issuer."""
    record = await issuers.find(services, name)
    if as_json:
        output.document(_document(record))
        return
    output.fields(
        {
            "Issuer": record.issuer,
            "Keys": ", ".join(key.kid for key in record.keys) or "-",
            "Keys at": record.jwks_uri or "-",
            "Subject is": record.subject_is,
            "Directory": record.directory,
            "Apps": ", ".join(_apps(record)) or "-",
        }
    )


@issuer.command("change")
@click.argument("name", metavar="ISS")
@settings
@click.option("--remove-key", "remove_keys", multiple=True, metavar="KID", help="A key that ends now.")
@administration
async def change(services: Services, /, *, name: str, **options: Any) -> None:
    """Change a trusted issuer. An empty --app takes all of its apps away."""
    before = await issuers.find(services, name)
    after = await issuers.change(services, name, _changes(services, options))
    output.done(f"{'Unchanged' if after == before else 'Changed'}: {name}.")


@issuer.command("delete")
@click.argument("name", metavar="ISS")
@administration
async def delete(services: Services, *, name: str) -> None:
    """Trust an issuer no longer."""
    await issuers.delete(services, name)
    output.done(f"{name} is trusted no longer.")


def _changes(services: Services, options: dict[str, Any]) -> IssuerChanges:
    named = arguments.named(options)
    files, lasts = named.pop("key_files", ()), named.pop("keys_last", None)
    if lasts is not None and not files:
        raise click.UsageError("--key-expires needs --key: the end of a key is named with it.")
    now = services.clock.now()
    keys = (client_keys.taken(file.read(), now=now, lasts=lasts) for file in files)
    return IssuerChanges(add_keys=tuple(key for found in keys for key in found), **named)


def _apps(record: TrustedIssuer) -> list[str]:
    return [app.client_id for app in record.apps]


def _document(record: TrustedIssuer) -> dict[str, Any]:
    return {
        "issuer": record.issuer,
        "keys": [{"kid": key.kid, "expires_at": key.expires_at} for key in record.keys],
        "jwks_uri": record.jwks_uri,
        "subject_is": record.subject_is,
        "directory": record.directory,
        "apps": _apps(record),
    }
