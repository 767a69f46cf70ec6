"""`innkeeper grant`: what apps may go on doing for a person while they are away."""

from __future__ import annotations

from typing import Any

import click

from innkeeper.server.cli import output
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.administer import grants
from innkeeper.server.flows.administer.grants import Lasting
from innkeeper.server.flows.services import Services


@click.group(short_help="What apps may go on doing for a person while they are away.")
def grant() -> None:
    """Grants with refresh tokens: list a person's, revoke one. `innkeeper user revoke` takes back all at once."""


@grant.command("list")
@click.argument("who")
@click.option("--client", "app_id", metavar="APP", help="Only of this app. Default: all.")
@json_option
@administration
async def list_grants(services: Services, *, who: str, app_id: str | None, as_json: bool) -> None:
    """List what keeps access for a person, the latest used first."""
    found = await grants.lasting(services, who, app_id)
    if as_json:
        output.document([_document(one) for one in found])
        return
    rows = [
        (
            one.grant.grant_id,
            one.grant.client_id,
            one.grant.api or "-",
            f"{one.family.issued_at:%Y-%m-%d %H:%M}",
            f"{one.last_used_at:%Y-%m-%d %H:%M}",
            f"{one.ends_at:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    columns = ("GRANT", "APP", "API", "SINCE (UTC)", "LAST USED", "ENDS UNUSED")
    output.table(columns, rows, empty="No app keeps access while they are away.")


@grant.command("revoke")
@click.argument("grant_id", metavar="GRANT")
@administration
async def revoke(services: Services, *, grant_id: str) -> None:
    """End one grant: its refresh tokens and all else that came from the same sign-in. The consent stays."""
    ended = await grants.revoke(services, grant_id)
    output.done(f"{ended.client_id} has lost the grant {ended.grant_id}.")


def _document(one: Lasting) -> dict[str, Any]:
    return {
        "grant_id": one.grant.grant_id,
        "client_id": one.grant.client_id,
        "sub": one.grant.user_id,
        "api": one.grant.api,
        "scope": one.family.scope,
        "started_at": one.family.issued_at,
        "last_used_at": one.last_used_at,
        "idle_expires_at": one.family.idle_expires_at,
        "absolute_expires_at": one.family.absolute_expires_at,
    }
