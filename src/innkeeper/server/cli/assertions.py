"""`innkeeper assertion`: the JWTs by which an app proves itself instead of sending a secret (RFC 7523 §2.2)."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Final

import click

from innkeeper.server.cli import data_folder, private_file
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.cli.workspace import data_option

LASTS_S: Final = 60


@click.group(short_help="Keys and JWTs by which an app proves itself.")
def assertion() -> None:
    """Keys and JWTs by which an app proves itself instead of sending a secret: new-key, sign."""


@assertion.command("new-key")
@click.argument("file", type=click.Path(path_type=Path))
def new_key(file: Path) -> None:
    """Make a key pair: the private half goes to FILE, the public half is printed as a JWK.

    The private half stays with the app. Register the public one: `innkeeper app change APP --key FILE`.
    """
    from innkeeper.jose import jwk

    private = jwk.generate("ES256")
    try:
        private_file.create(file, jwk.as_pem(private).decode())
    except FileExistsError:
        raise CommandFailed(f"{file} exists already, and a key is not written over.") from None
    click.echo(json.dumps(jwk.load(private, alg="ES256").public_jwk))


@assertion.command("sign")
@click.argument("app_id", metavar="APP")
@click.option(
    "--key", "file", type=click.Path(path_type=Path), required=True, help="The app's private key, PEM."
)
@data_option
def sign(app_id: str, file: Path, data: str | None) -> None:
    """Print an assertion of APP, good for one request within a minute.

    Send it as client_assertion, with client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer.
    """
    from innkeeper.jose import jwk
    from innkeeper.jose.errors import KeyRefused
    from innkeeper.jose.jwt import Signer

    issuer = data_folder.find(data).settings().issuer
    try:
        key = jwk.load(file.read_bytes(), alg="ES256")
    except KeyRefused as refused:
        raise CommandFailed(f"{file}: {refused}. `innkeeper assertion new-key FILE` makes one.") from refused
    now = int(time.time())
    claims = {"iss": app_id, "sub": app_id, "aud": issuer, "iat": now, "exp": now + LASTS_S}
    click.echo(Signer(key, "client-authentication+jwt").sign(claims | {"jti": secrets.token_urlsafe(24)}))
