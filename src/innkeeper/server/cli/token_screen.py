"""A token taken apart: header and claims, each with half a line about it (RFC 9068 §2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from innkeeper.jose import base64url
from innkeeper.server.cli import output

HEADER: Final = {
    "alg": "how it is signed",
    "kid": "which key of the JWKS verifies it",
    "typ": "an access token, so it can pass for nothing else",
}
CLAIMS: Final = {
    "iss": "who issued it",
    "sub": "whom it speaks for; here the app itself",
    "aud": "which API may accept it",
    "client_id": "which app asked for it",
    "scope": "what it allows",
    "jti": "its own name, never given twice",
    "iat": "issued at",
    "exp": "ends at",
    "nbf": "not before",
}
TIMES: Final = frozenset({"iat", "exp", "nbf"})


def show(answer: dict[str, Any], curl: str) -> None:
    """The whole answer of the token endpoint, in an order that can be read."""
    token = str(answer["access_token"])
    click.echo(token)
    click.echo()
    scope = answer.get("scope") or "none"
    click.echo(f"{answer.get('token_type')} token, good for {answer.get('expires_in')} s, scope: {scope}")
    parts = decoded(token)
    if parts is None:
        click.echo("Opaque: only this server knows what it stands for.")
    else:
        header, claims = parts
        click.echo()
        output.table(("Header", "value", ""), _rows(header, HEADER), empty="")
        click.echo()
        output.table(("Claim", "value", ""), _rows(claims, CLAIMS), empty="")
    click.echo()
    click.echo("The same by hand:")
    click.echo(curl)


def decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and claims, unverified: this is for reading, never for deciding."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims = (msgspec.json.decode(base64url.decode(part), type=dict[str, Any]) for part in parts[:2])
    return header, claims


def _rows(values: dict[str, Any], texts: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(name, _value(name, value), texts.get(name, "")) for name, value in values.items()]


def _value(name: str, value: Any) -> str:
    if name in TIMES and isinstance(value, (int, float)):
        return f"{value} ({datetime.fromtimestamp(value, tz=UTC):%H:%M:%S} UTC)"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
