"""`innkeeper token`: client_credentials against the running server (RFC 6749 §4.4), explained."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import click

from innkeeper.server.cli import arguments, data_folder, dev_file
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.cli.workspace import data_option, opened
from innkeeper.server.model.client import Client

SECRET_VARIABLE: Final = "CLIENT_SECRET"
TIMEOUT_S: Final = 10
INSTEAD: Final = {
    "spa": "A browser app gets tokens by signing a person in, for example with oidc-client-ts.",
    "native": "A native app gets tokens by signing a person in with the system browser and PKCE (RFC 8252).",
    "regular_web": "A web app gets tokens by signing a person in: open its own sign-in address.",
}


class Request(NamedTuple):
    """What is sent, without the secret."""

    endpoint: str
    client_id: str
    auth_method: str
    form: dict[str, str]


@click.command(short_help="Ask the running server for a machine's token, and explain it.")
@click.argument("app_id", metavar="APP")
@click.option("--scope", "scopes", multiple=True, help="What to ask for. Default: all that the app may have.")
@click.option("--audience", help="The API. Default: the only one that the app has a grant for.")
@click.option("--secret-stdin", is_flag=True, help="Read the app's secret from standard input.")
@click.option("--raw", is_flag=True, help="Print the token alone.")
@data_option
def token(
    app_id: str,
    scopes: tuple[str, ...],
    audience: str | None,
    secret_stdin: bool,
    raw: bool,
    data: str | None,
) -> None:
    """Ask the running server for a machine's token, decode it and say what each claim is.

    The secret comes from dev.json, from CLIENT_SECRET, from --secret-stdin or from a prompt.
    """
    import asyncio

    folder = data_folder.find(data)
    client, issuer = asyncio.run(_client_of(folder, app_id))
    if "client_credentials" not in client.grant_types:
        instead = INSTEAD.get(client.type, "It has no grant type client_credentials.")
        raise CommandFailed(f"{app_id} cannot ask for itself. {instead}")
    request = _request(client, issuer, arguments.words(scopes), audience)
    secret, shown = _secret_of(folder, app_id, from_stdin=secret_stdin)
    answer = send(request, secret)
    if raw:
        click.echo(answer["access_token"])
        return
    from innkeeper.server.cli import token_screen

    token_screen.show(answer, curl(request, shown))


def send(request: Request, secret: str) -> dict[str, Any]:
    """The answer of the token endpoint, or `CommandFailed` with its error."""
    import httpx2

    headers, form = {}, dict(request.form)
    if request.auth_method == "client_secret_basic":
        # RFC 6749 §2.3.1: both are form-encoded before Basic joins them.
        pair = f"{quote(request.client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": request.client_id, "client_secret": secret}
    try:
        with httpx2.Client(trust_env=False, timeout=TIMEOUT_S) as http:
            response = http.post(request.endpoint, data=form, headers=headers)
        answer = response.json()
    except httpx2.HTTPError as error:
        raise CommandFailed(
            f"{request.endpoint} does not answer ({error}). Start it: `innkeeper dev` or `innkeeper serve`."
        ) from error
    except ValueError as error:
        raise CommandFailed(
            f"{request.endpoint} did not answer with JSON: is this the right server?"
        ) from error
    if response.status_code != 200:
        raise CommandFailed(f"Refused: {answer.get('error')}. {answer.get('error_description', '')}".rstrip())
    return dict(answer)


def curl(request: Request, secret: str) -> str:
    """The same by hand. `secret` is the real one where it lies in a file anyway, else the variable's name."""
    import shlex

    words = ["curl", request.endpoint]
    form = dict(request.form)
    if request.auth_method == "client_secret_basic":
        credentials = f"{request.client_id}:{secret}"
        user = f'-u "{credentials}"' if secret.startswith("$") else f"-u {shlex.quote(credentials)}"
    else:
        user = f'-d client_id={request.client_id} -d "client_secret={secret}"'
    return " ".join([*words, user, *(f"-d {shlex.quote(f'{name}={value}')}" for name, value in form.items())])


async def _client_of(folder: DataFolder, app_id: str) -> tuple[Client, str]:
    from innkeeper.server.flows.administer import clients

    async with opened(folder) as services:
        return await clients.find(services, app_id), services.settings.issuer


def _request(client: Client, issuer: str, scopes: tuple[str, ...], audience: str | None) -> Request:
    if audience is None:
        granted = [grant.api for grant in client.api_grants]
        if len(granted) != 1:
            names = ", ".join(granted) or "none: `innkeeper app change --api ID --scope ...` gives one"
            raise CommandFailed(f"Name the API with --audience. {client.client_id} has: {names}.")
        audience = granted[0]
    form = {"grant_type": "client_credentials", "audience": audience}
    if scopes:
        form["scope"] = " ".join(scopes)
    endpoint = f"{issuer.rstrip('/')}/oauth/token"
    return Request(endpoint, client.client_id, client.token_endpoint_auth_method, form)


def _secret_of(folder: DataFolder, app_id: str, *, from_stdin: bool) -> tuple[str, str]:
    """The secret, and how the curl shows it."""
    placeholder = f"${SECRET_VARIABLE}"
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), placeholder
    known = None if folder.is_production else dev_file.read(folder.dev_file)
    secret = known.secret_of(app_id) if known else None
    if secret is not None:
        return secret, secret
    if given := os.environ.get(SECRET_VARIABLE):
        return given, placeholder
    if not sys.stdin.isatty():
        raise CommandFailed(f"No secret for {app_id}: set {SECRET_VARIABLE} or use --secret-stdin.")
    return str(click.prompt(f"Secret of {app_id}", hide_input=True)), placeholder
