"""`innkeeper assertion`: JWTs by which apps prove themselves, or issuers speak of people (RFC 7523 §2.1, §2.2)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
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
@click.argument("app_id", metavar="[APP]", required=False)
@click.option("--key", "file", type=click.Path(path_type=Path), required=True, help="Whose private key, PEM.")
@click.option(
    "--issuer", "of_issuer", metavar="ISS", help="Instead of APP: what this issuer says of a person."
)
@click.option("--subject", metavar="SUB", help="With --issuer: the person.")
@click.option(
    "--claim",
    "more",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --issuer: another claim, as in client_id=bridge. JSON, or else text. May be repeated.",
)
@data_option
def sign(
    app_id: str | None,
    file: Path,
    of_issuer: str | None,
    subject: str | None,
    more: tuple[str, ...],
    data: str | None,
) -> None:
    """Print an assertion of APP, good for one request within a minute; or, to try a trusted issuer, one of ISS.

    APP's is sent as client_assertion, with
    client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer. That of ISS is sent as assertion,
    with grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer.
    """
    if app_id is not None and of_issuer is None and subject is None and not more:
        said, typ = {"iss": app_id, "sub": app_id}, "client-authentication+jwt"
    elif app_id is None and of_issuer is not None and subject is not None:
        said, typ = {"iss": of_issuer, "sub": subject}, "JWT"
    else:
        raise click.UsageError("Name APP, or --issuer and --subject.")
    click.echo(
        _signed(said, typ, [_claim(text) for text in more], file, data_folder.find(data).settings().issuer)
    )


def _claim(text: str) -> tuple[str, object]:
    name, is_there, value = text.partition("=")
    if not name or not is_there:
        raise click.UsageError(f"{text!r} is not NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _signed(
    said: dict[str, str], typ: str, more: Iterable[tuple[str, object]], file: Path, audience: str
) -> str:
    from innkeeper.jose import jwk
    from innkeeper.jose.errors import KeyRefused
    from innkeeper.jose.jwt import Signer

    try:
        key = jwk.load(file.read_bytes(), alg="ES256")
    except KeyRefused as refused:
        raise CommandFailed(f"{file}: {refused}. `innkeeper assertion new-key FILE` makes one.") from refused
    now = int(time.time())
    claims = {**said, "aud": audience, "iat": now, "exp": now + LASTS_S, "jti": secrets.token_urlsafe(24)}
    return Signer(key, typ).sign({**claims, **dict(more)})
