"""`innkeeper app`: applications, called clients in the specifications (RFC 6749 §2)."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import click

from innkeeper.server.cli import app_document, arguments, output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import clients
from innkeeper.server.flows.services import Services
from innkeeper.server.model.client import ClientAuthMethod, ClientType, SigningAlgorithm

callback_option = click.option(
    "--callback",
    "callbacks",
    multiple=True,
    metavar="URL",
    help="Where people come back to. May be repeated.",
)
origin_option = click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="Web origin that may call the token endpoint."
)
api_option = click.option("--api", metavar="ID", help="The API that --scope belongs to.")
scope_option = click.option("--scope", "scopes", multiple=True, help="What the app may ask of --api at most.")
grant_option = click.option(
    "--grant-type", "grant_types", multiple=True, metavar="NAME", help="Instead of those of the type."
)
auth_option = click.option(
    "--auth-method",
    type=click.Choice(get_args(ClientAuthMethod)),
    help="How it authenticates at the token endpoint.",
)
id_token_alg_option = click.option(
    "--id-token-alg",
    type=click.Choice(get_args(SigningAlgorithm)),
    help="What signs its ID tokens. A new app has RS256, which every library expects.",
)
id_token_profile_option = click.option(
    "--id-token-profile/--no-id-token-profile",
    default=None,
    help="Whether its ID tokens carry name, e-mail and the like, as those of a new app do; userinfo always has them.",
)
refresh_rotation_option = click.option(
    "--refresh-rotation/--no-refresh-rotation",
    default=None,
    help="Whether each use of a refresh token gives a new one, as for a new app. Browser apps always do.",
)
refresh_overlap_option = click.option(
    "--refresh-overlap",
    type=arguments.Duration(),
    help="How long a used refresh token still gets the same successor: 0 to 60s. A new app has 10s.",
)
refresh_idle_option = click.option(
    "--refresh-idle",
    type=arguments.Duration(),
    help="How long a refresh token lives unused. A new app has 14d, a browser app 24h.",
)
refresh_absolute_option = click.option(
    "--refresh-absolute",
    type=arguments.Duration(),
    help="How long after sign-in the last refresh token ends. A new app has 90d, a browser app 24h.",
)
publisher_option = click.option("--publisher", help="Who makes the app; shown when people consent.")
login_uri_option = click.option(
    "--login-uri", metavar="URL", help="Where to send somebody to sign in afresh."
)


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
@callback_option
@origin_option
@click.option(
    "--third-party", is_flag=True, help="Made by somebody else: people are always asked. Fixed for ever."
)
@publisher_option
@api_option
@scope_option
@grant_option
@auth_option
@id_token_alg_option
@id_token_profile_option
@refresh_rotation_option
@refresh_overlap_option
@refresh_idle_option
@refresh_absolute_option
@login_uri_option
@json_option
@administration
async def create(
    services: Services,
    *,
    app_id: str,
    app_type: ClientType,
    name: str | None,
    callbacks: tuple[str, ...],
    origins: tuple[str, ...],
    third_party: bool,
    publisher: str | None,
    api: str | None,
    scopes: tuple[str, ...],
    grant_types: tuple[str, ...],
    auth_method: ClientAuthMethod | None,
    id_token_alg: SigningAlgorithm | None,
    id_token_profile: bool | None,
    refresh_rotation: bool | None,
    refresh_overlap: timedelta | None,
    refresh_idle: timedelta | None,
    refresh_absolute: timedelta | None,
    login_uri: str | None,
    as_json: bool,
) -> None:
    """Create an app, print its .env lines and a snippet to paste.

    Without --callback a web app gets http://localhost:8000/auth/callback, a browser app
    http://localhost:8000/callback.html, a native app http://127.0.0.1/callback on any port.
    """
    from innkeeper.server.cli import snippet

    wanted = clients.NewClient(
        client_id=app_id,
        type=app_type,
        name=name,
        redirect_uris=callbacks or (snippet.DEFAULT_CALLBACKS.get(app_type, ()) if not grant_types else ()),
        allowed_origins=origins or None,
        initiate_login_uri=login_uri,
        is_first_party=not third_party,
        publisher=publisher,
        auth_method=auth_method,
        id_token_signed_response_alg=id_token_alg,
        id_token_profile=id_token_profile,
        grant_types=grant_types or None,
        api_grants=arguments.api_grants((), api, scopes, option="--scope") or (),
        refresh=clients.RefreshChanges(
            rotation=refresh_rotation,
            overlap=refresh_overlap,
            idle=refresh_idle,
            absolute=refresh_absolute,
        ),
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
@click.option("--callback", "callbacks", multiple=True, metavar="URL", help="All callbacks anew.")
@click.option("--add-callback", "added", multiple=True, metavar="URL", help="One more callback.")
@click.option("--remove-callback", "removed", multiple=True, metavar="URL", help="One callback less.")
@origin_option
@publisher_option
@api_option
@scope_option
@click.option("--remove-api", metavar="ID", help="Take away what it may ask of this API.")
@grant_option
@auth_option
@id_token_alg_option
@id_token_profile_option
@refresh_rotation_option
@refresh_overlap_option
@refresh_idle_option
@refresh_absolute_option
@login_uri_option
@click.option("--pkce/--no-pkce", "require_pkce", default=None, help="Exempt an app with a secret from PKCE.")
@click.option("--enable/--disable", "is_enabled", default=None, help="Disabling ends all that it was given.")
@administration
async def change(
    services: Services,
    *,
    app_id: str,
    name: str | None,
    callbacks: tuple[str, ...],
    added: tuple[str, ...],
    removed: tuple[str, ...],
    origins: tuple[str, ...],
    publisher: str | None,
    api: str | None,
    scopes: tuple[str, ...],
    remove_api: str | None,
    grant_types: tuple[str, ...],
    auth_method: ClientAuthMethod | None,
    id_token_alg: SigningAlgorithm | None,
    id_token_profile: bool | None,
    refresh_rotation: bool | None,
    refresh_overlap: timedelta | None,
    refresh_idle: timedelta | None,
    refresh_absolute: timedelta | None,
    login_uri: str | None,
    require_pkce: bool | None,
    is_enabled: bool | None,
) -> None:
    """Change an app. What is not named stays; the running server follows within a second."""
    before = await clients.find(services, app_id)
    granted = tuple(grant for grant in before.api_grants if grant.api != remove_api)
    if remove_api is not None and granted == before.api_grants:
        raise click.UsageError(f"{app_id} has nothing of {remove_api}.")
    asked = arguments.api_grants(granted, api, scopes, option="--scope")
    changes = clients.ClientChanges(
        name=name,
        publisher=publisher,
        redirect_uris=_callbacks(before.redirect_uris, callbacks, added, removed),
        allowed_origins=origins or None,
        initiate_login_uri=login_uri,
        auth_method=auth_method,
        id_token_signed_response_alg=id_token_alg,
        id_token_profile=id_token_profile,
        grant_types=grant_types or None,
        api_grants=asked if asked is not None else granted if remove_api else None,
        require_pkce=require_pkce,
        is_enabled=is_enabled,
        refresh=clients.RefreshChanges(
            rotation=refresh_rotation,
            overlap=refresh_overlap,
            idle=refresh_idle,
            absolute=refresh_absolute,
        ),
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


def _callbacks(
    before: tuple[str, ...], anew: tuple[str, ...], added: tuple[str, ...], removed: tuple[str, ...]
) -> tuple[str, ...] | None:
    if not anew and not added and not removed:
        return None
    missing = [uri for uri in removed if uri not in before]
    if missing:
        raise click.UsageError(f"{missing[0]} is not a callback of this app.")
    kept = [uri for uri in (anew or before) if uri not in removed]
    return tuple(dict.fromkeys([*kept, *added]))
