"""What can be said of an app on the command line, each option once: `app create` and `app change` know the same.

A parameter is named after the field of `ClientSettings` that it fills.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar, get_args

import click

from innkeeper.server.cli import arguments
from innkeeper.server.flows.administer import client_keys
from innkeeper.server.flows.administer.client_settings import RefreshChanges
from innkeeper.server.model.client import ClientAuthMethod, SigningAlgorithm

Command = TypeVar("Command", bound=Callable[..., Any])
REFRESH: Final = "refresh_"
"""What parameters for `RefreshChanges` begin with."""

SETTINGS: Final = (
    click.option(
        "--callback",
        "redirect_uris",
        multiple=True,
        metavar="URL",
        help="Where people come back to. May be repeated; a change names all of them anew.",
    ),
    click.option(
        "--logout-callback",
        "post_logout_redirect_uris",
        multiple=True,
        metavar="URL",
        help="Where people may come back to after signing out. All of them anew.",
    ),
    click.option(
        "--origin",
        "allowed_origins",
        multiple=True,
        metavar="URL",
        help="Web origin that may call the token endpoint.",
    ),
    click.option("--publisher", help="Who makes the app; shown when people consent."),
    click.option(
        "--login-uri",
        "initiate_login_uri",
        metavar="URL",
        help="Where to send somebody to sign in afresh.",
    ),
    click.option("--api", metavar="ID", help="The API that --scope belongs to."),
    click.option("--scope", "scopes", multiple=True, help="What the app may ask of --api at most."),
    click.option(
        "--grant-type", "grant_types", multiple=True, metavar="NAME", help="Instead of those it has."
    ),
    click.option(
        "--auth-method",
        "token_endpoint_auth_method",
        type=click.Choice(get_args(ClientAuthMethod)),
        help="How it authenticates at the token endpoint.",
    ),
    click.option(
        "--pkce/--no-pkce", "require_pkce", default=None, help="Exempt an app with a secret from PKCE."
    ),
    click.option(
        "--id-token-alg",
        "id_token_signed_response_alg",
        type=click.Choice(get_args(SigningAlgorithm)),
        help="What signs its ID tokens. A new app has RS256, which every library expects.",
    ),
    click.option(
        "--id-token-profile/--no-id-token-profile",
        default=None,
        help="Whether its ID tokens carry name, e-mail and the like, as those of a new app do; userinfo always"
        " has them.",
    ),
    click.option(
        "--userinfo-alg",
        "userinfo_signed_response_alg",
        type=click.Choice([*get_args(SigningAlgorithm), "none"]),
        help="Userinfo answers are JWTs signed with this; none, as for a new app: plain JSON.",
    ),
    click.option(
        "--subject-type",
        type=click.Choice(["public", "pairwise"]),
        help="Pairwise: it knows a person by a name of its own. A change ends all that it was given.",
    ),
    click.option(
        "--sector",
        "sector_identifier",
        metavar="HOST",
        help="Apps of one sector share their pairwise names. Default: the host of the callbacks.",
    ),
    click.option(
        "--key",
        "key_files",
        type=click.File("rb"),
        multiple=True,
        help="A public key to check its assertions with: PEM, JWK or JWK Set; - is standard input.",
    ),
    click.option(
        "--key-expires",
        "keys_last",
        type=arguments.Duration(),
        help="How long the keys of --key are good for.",
    ),
    click.option(
        "--jwks-uri", metavar="URL", help="Where its public keys are, to check its assertions with."
    ),
    click.option(
        "--endpoint-audience/--no-endpoint-audience",
        "accepts_endpoint_audience",
        default=None,
        help="Its assertions may name an endpoint instead of the issuer: for old libraries.",
    ),
    click.option(
        "--guards",
        "resource_server_of",
        multiple=True,
        metavar="API",
        help="An API that it guards, so that it may introspect the tokens for it. All of them anew.",
    ),
    click.option(
        "--trust-forwarded-for/--no-trust-forwarded-for",
        "trusts_forwarded_for",
        default=None,
        help="With the password grant: it says in auth0-forwarded-for where a password came from.",
    ),
    click.option(
        "--acknowledge-password-grant",
        "acknowledges_password_grant",
        is_flag=True,
        default=None,
        help="Yes, this app shall see people's passwords. Needed once, with --grant-type password.",
    ),
    click.option(
        "--allow-public-password-grant/--no-public-password-grant",
        "allow_public_password_grant",
        default=None,
        help="Yes, an app without a secret shall take people's passwords itself.",
    ),
    click.option(
        "--refresh-api",
        "refresh_apis",
        multiple=True,
        metavar="API",
        help="Another API that a refresh token may be exchanged for. All of them anew.",
    ),
    click.option(
        "--refresh-rotation/--no-refresh-rotation",
        default=None,
        help="Whether each use of a refresh token gives a new one, as for a new app. Browser apps always do.",
    ),
    click.option(
        "--refresh-overlap",
        type=arguments.Duration(),
        help="How long a used refresh token still gets the same successor: 0 to 60s. A new app has 10s.",
    ),
    click.option(
        "--refresh-idle",
        type=arguments.Duration(),
        help="How long a refresh token lives unused. A new app has 14d, a browser app 24h.",
    ),
    click.option(
        "--refresh-absolute",
        type=arguments.Duration(),
        help="How long after sign-in the last refresh token ends. A new app has 90d, a browser app 24h.",
    ),
)


def settings(command: Command) -> Command:
    """Gives a command every option of `SETTINGS`; their values arrive as `**options`."""
    return arguments.with_options(SETTINGS, command)


def said(options: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What was named, as keywords of `NewClient` and `ClientChanges`."""
    named = arguments.named(options)
    files, lasts = named.pop("key_files", ()), named.pop("keys_last", None)
    if lasts is not None and not files:
        raise click.UsageError("--key-expires needs --key: the end of a key is named with it.")
    keys = (client_keys.taken(file.read(), now=now, lasts=lasts) for file in files)
    named["add_keys"] = tuple(key for found in keys for key in found)
    refresh = {name: named.pop(name) for name in list(named) if name.startswith(REFRESH)}
    policy = RefreshChanges(**{name.removeprefix(REFRESH): value for name, value in refresh.items()})
    return named | {"refresh": policy}
