"""`innkeeper key`: signing keys. The schedule rotates them by itself; this is for the day it must be now."""

from __future__ import annotations

from datetime import datetime

import click

from innkeeper.server.cli import output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import keys
from innkeeper.server.flows.services import Services


@click.group(short_help="Signing keys.")
def key() -> None:
    """Signing keys: list, rotate."""


@key.command("list")
@json_option
@administration
async def list_keys(services: Services, *, as_json: bool) -> None:
    """List the signing keys with their states: next, signing, verifying."""
    now = services.clock.now()
    found = sorted(
        await services.store.signing_keys.list(), key=lambda record: (record.alg, record.activates_at)
    )
    if as_json:
        output.document(
            [
                {
                    "kid": record.kid,
                    "alg": record.alg,
                    "state": keys.state_of(record, found, now),
                    "published_at": record.published_at,
                    "activates_at": record.activates_at,
                    "retires_at": record.retires_at,
                    "expires_at": record.expires_at,
                }
                for record in found
            ]
        )
        return
    rows = [
        (
            record.alg,
            keys.state_of(record, found, now),
            _day(record.activates_at),
            _day(record.expires_at),
            record.kid,
        )
        for record in found
    ]
    output.table(("ALG", "STATE", "SIGNS FROM", "PUBLISHED UNTIL", "KEY"), rows, empty="No keys.")


@key.command("rotate")
@click.option("--alg", "algs", type=click.Choice(["ES256", "RS256"]), multiple=True, help="Default: both.")
@click.option("--emergency", is_flag=True, help="Forget the old keys now: every token they signed ends.")
@administration
async def rotate(services: Services, *, algs: tuple[str, ...], emergency: bool) -> None:
    """Sign with the next key from now on; the old one verifies until its last token has ended."""
    for alg in algs or (None,):
        for record in await keys.rotate(services, alg, emergency=emergency):
            output.done(f"{record.alg}: {record.kid} signs from now on.")


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"
