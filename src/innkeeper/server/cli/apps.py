"""`innkeeper app`: applications, called clients in the specifications (RFC 6749 §2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import click

from innkeeper.server.cli import app_document, app_options, arguments, output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import ApiGrant, Client, ClientType


@click.group(short_help="Applications that ask for tokens.")
def app() -> None:
    """Applications that ask for tokens: create, list, show, change, rotate-secret, delete."""


@app.command("create")
@click.argument("app_id", metavar="APP")
@click.option(
    "--type",
    "app_type",
    type=click.Choice(get_args(ClientType)),
    required=True,
    help="What kind of app it is.",
)
@click.option("--name", help="What people read. Default: APP.")
@click.option(
    "--third-party", is_flag=True, help="Made by somebody else: people are always asked. Fixed for ever."
)
@app_options.settings
@json_option
@administration
async def create(
    services: Services,
    /,
    *,
    app_id: str,
    app_type: ClientType,
    third_party: bool,
    api: str | None,
    scopes: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Create an app, print its .env lines and a snippet to paste.

    Without --callback a web app gets http://localhost:8000/auth/callback, a browser app
    http://localhost:8000/callback.html, a native app http://127.0.0.1/callback on any port.
    """
    from innkeeper.server.cli import snippet

    said = app_options.said(options, services.clock.now())
    if not said.get("grant_types"):
        said.setdefault("redirect_uris", snippet.DEFAULT_CALLBACKS.get(app_type, ()))
    wanted = clients.NewClient(
        client_id=app_id,
        type=app_type,
        is_first_party=not third_party,
        api_grants=arguments.api_grants((), api, scopes, option="--scope"),
        **said,
    )
    client, secret = await clients.create(services, wanted)
    if as_json:
        output.document(app_document.of(client) | ({} if secret is None else {"client_secret": secret}))
        return
    output.done(f"Created the app {client.client_id} ({client.type}).")
    snippet.show(client, secret, services.settings.issuer)


@app.command("list")
@json_option
@administration
async def list_apps(services: Services, *, as_json: bool) -> None:
    """List all apps."""
    found = sorted(await services.store.clients.list(), key=lambda client: client.client_id)
    if as_json:
        output.document([app_document.of(client) for client in found])
        return
    rows = [
        (
            client.client_id,
            client.type,
            "first" if client.is_first_party else "third",
            "" if client.is_enabled else "disabled",
            client.name,
        )
        for client in found
    ]
    output.table(
        ("APP", "TYPE", "PARTY", "STATE", "NAME"), rows, empty="No apps yet: `innkeeper app create`."
    )


@app.command("show")
@click.argument("app_id", metavar="APP")
@json_option
@administration
async def show(services: Services, *, app_id: str, as_json: bool) -> None:
    """Show everything about an app but its secrets, which are not stored."""
    client = await clients.find(services, app_id)
    if as_json:
        output.document(app_document.of(client))
    else:
        output.fields(app_document.lines(client))


@app.command("change")
@click.argument("app_id", metavar="APP")
@click.option("--name", help="What people read.")
@click.option("--add-callback", "added", multiple=True, metavar="URL", help="One more callback.")
@click.option("--remove-callback", "removed", multiple=True, metavar="URL", help="One callback less.")
@click.option("--remove-api", metavar="ID", help="Take away what it may ask of this API.")
@app_options.settings
@click.option("--remove-key", "remove_keys", multiple=True, metavar="KID", help="One of its keys less.")
@click.option("--enable/--disable", "is_enabled", default=None, help="Disabling ends all that it was given.")
@administration
async def change(
    services: Services,
    /,
    *,
    app_id: str,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    api: str | None,
    scopes: tuple[str, ...],
    remove_api: str | None,
    **options: Any,
) -> None:
    """Change an app. What is not named stays, an empty text takes away; the running server follows within a second."""
    before = await clients.find(services, app_id)
    said = app_options.said(options, services.clock.now())
    callbacks = _callbacks(before.redirect_uris, said.pop("redirect_uris", None), added, removed)
    changes = clients.ClientChanges(
        redirect_uris=callbacks, api_grants=_api_grants(before, api, scopes, remove_api), **said
    )
    after = await clients.change(services, app_id, changes)
    output.done(f"{'Unchanged' if after == before else 'Changed'}: {app_id}.")


@app.command("rotate-secret")
@click.argument("app_id", metavar="APP")
@click.option(
    "--keep-old",
    type=arguments.Duration(),
    default="24h",
    show_default=True,
    help="How long the old secret still works, as 900, 15m, 24h; 0 ends it now.",
)
@administration
async def rotate_secret(services: Services, *, app_id: str, keep_old: timedelta) -> None:
    """Give an app a new secret and print it, once."""
    client, secret = await clients.rotate_secret(services, app_id, keep_old=keep_old)
    if len(client.secrets) > 1:
        until = client.secrets[1].expires_at
        assert until is not None
        output.done(
            f"The old secret of {app_id} works until {until:%Y-%m-%d %H:%M} UTC. The new one, shown once:"
        )
    else:
        output.done(f"The old secret of {app_id} has ended. The new one, shown once:")
    click.echo(secret)


@app.command("delete")
@click.argument("app_id", metavar="APP")
@administration
async def delete(services: Services, *, app_id: str) -> None:
    """Delete an app. Everything it was given ends."""
    await clients.delete(services, app_id)
    output.done(f"Deleted the app {app_id}.")


def _api_grants(
    before: Client, api: str | None, scopes: tuple[str, ...], removed: str | None
) -> tuple[ApiGrant, ...] | None:
    kept = tuple(grant for grant in before.api_grants if grant.api != removed)
    if removed is not None and kept == before.api_grants:
        raise click.UsageError(f"{before.client_id} has nothing of {removed}.")
    asked = arguments.api_grants(kept, api, scopes, option="--scope")
    return asked if asked is not None else kept if removed else None


def _callbacks(
    before: tuple[str, ...], anew: tuple[str, ...] | None, added: tuple[str, ...], removed: tuple[str, ...]
) -> tuple[str, ...] | None:
    if anew is None and not added and not removed:
        return None
    missing = [uri for uri in removed if uri not in before]
    if missing:
        raise click.UsageError(f"{missing[0]} is not a callback of this app.")
    kept = [uri for uri in (before if anew is None else anew) if uri not in removed]
    return tuple(dict.fromkeys([*kept, *added]))
