"""What `innkeeper app create` prints: lines for .env, and a snippet with stock libraries to paste."""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import click

from innkeeper.oauth import redirect_uri
from innkeeper.server.cli import output
from innkeeper.server.model.client import Client

DEFAULT_CALLBACKS: Final = {
    "regular_web": ("http://localhost:8000/auth/callback",),
    "spa": ("http://localhost:8000/callback.html",),
    "native": ("http://127.0.0.1/callback",),
}


class Snippet(NamedTuple):
    """A text file in snippets/, and the line above it."""

    file: str
    title: str


SNIPPETS: Final = {
    "regular_web": (
        Snippet("fastapi.txt", "FastAPI or Starlette, with Authlib"),
        Snippet("flask.txt", "Flask, with Authlib"),
    ),
    "spa": (Snippet("spa.txt", "A browser, with oidc-client-ts"),),
    "native": (Snippet("native.txt", "A native app"),),
    "m2m": (Snippet("m2m.txt", "A machine, with curl"),),
}


LISTEN: Final = {
    True: "Listen on that address on a port that is free and add the port to the redirect URI: every port is accepted\n"
    "there, every other difference is refused.",
    False: "The redirect URI is sent exactly like this; every difference is refused. (A port may differ only with\n"
    "http://127.0.0.1 and http://[::1], never with the name localhost.)",
}


def show(client: Client, secret: str | None, issuer: str) -> None:
    """The secret is printed here and nowhere else."""
    output.heading("# .env")
    for line in environment(client, secret, issuer):
        click.echo(line)
    for snippet in SNIPPETS[client.type]:
        click.echo()
        output.heading(f"# ---- {snippet.title} ----")
        click.echo(filled(snippet, client, issuer), nl=False)
    if client.type == "m2m" and not client.api_grants:
        output.done(
            "It may ask for nothing yet:"
            f" `innkeeper app change {client.client_id} --api ID --scope SCOPE` gives it scopes of an API."
        )


def environment(client: Client, secret: str | None, issuer: str) -> list[str]:
    """The variables that the snippets read."""
    lines = [f"OIDC_ISSUER={issuer}", f"CLIENT_ID={client.client_id}"]
    if secret is not None:
        lines.append(f"CLIENT_SECRET={secret}")
    if client.type == "regular_web":
        lines.append(f"SESSION_SECRET={secrets.token_urlsafe(32)}")
    if client.type == "m2m":
        lines.append(f"AUDIENCE={client.api_grants[0].api if client.api_grants else ''}")
    return lines


def filled(snippet: Snippet, client: Client, issuer: str) -> str:
    """Placeholders are @NAME@, which none of the languages uses."""
    text = files("innkeeper.server.cli").joinpath("snippets", snippet.file).read_text(encoding="utf-8")
    callback = next(iter(client.redirect_uris), "")
    origin = redirect_uri.origin_of(callback) or ""
    # Basic is what the libraries take when nothing is said.
    in_body = client.token_endpoint_auth_method == "client_secret_post"
    by_body = '-d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET"'
    values = {
        "@ISSUER@": issuer,
        "@CLIENT_ID@": client.client_id,
        "@CALLBACK@": callback,
        "@CALLBACK_PATH@": urlsplit(callback).path,
        "@ORIGIN@": origin,
        "@AUTHLIB_METHOD@": ', "token_endpoint_auth_method": "client_secret_post"' if in_body else "",
        "@CURL_CREDENTIALS@": by_body if in_body else '-u "$CLIENT_ID:$CLIENT_SECRET"',
        "@LISTEN@": LISTEN[redirect_uri.has_free_port(callback)],
        "@PORT@": str(urlsplit(callback).port or 8000),
    }
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text
