"""`innkeeper migrate-db`: everything from SQLite to PostgreSQL, or back."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from innkeeper.server.cli import output
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.model import database_url

if TYPE_CHECKING:
    from innkeeper.server.storage.transfer.interface import End

Place = Path | str


@click.command(short_help="Move everything from SQLite to PostgreSQL, or back.")
@click.argument("source")
@click.argument("target", required=False)
@click.option("--replace", is_flag=True, help="Delete what the target holds, and begin afresh.")
@click.option("--cancel", is_flag=True, help="Give up a move that is not through: SOURCE serves again.")
def migrate_db(source: str, target: str | None, replace: bool, cancel: bool) -> None:
    """Move everything from SOURCE to TARGET. No server may run.

    Both are written sqlite://PATH (the file, or its folder) or postgresql://USER@HOST/NAME. A password is no part of
    them: it belongs into a passfile or PGPASSWORD.

    Sign-ins and refresh tokens go on living. Killed on its way, the same command goes on where it was. From its first
    moment on SOURCE is not served any more, and TARGET only once every row has arrived and was compared. Afterwards
    name TARGET in `database.url`, or take that setting out.
    """
    if cancel:
        if target is not None or replace:
            raise click.UsageError("--cancel takes the SOURCE alone.")
        asyncio.run(_give_up(place(source)))
        return
    if target is None:
        raise click.UsageError("Missing argument 'TARGET'.")
    asyncio.run(_move(place(source), place(target), may_replace=replace))


def place(text: str) -> Place:
    """A file, or the DSN of a database; refuses one that would show its password to everybody on this machine."""
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite" and rest:
        path = Path(rest).expanduser().absolute()
        return path / "innkeeper.sqlite3" if path.is_dir() else path
    if scheme not in ("postgresql", "postgres"):
        raise CommandFailed("SOURCE and TARGET begin with sqlite:// or postgresql://.")
    try:
        holds_password = database_url.holds_password(text)
    except database_url.UrlRefused as error:
        raise CommandFailed(f"The address of the database: {error}.") from None
    if holds_password:
        raise CommandFailed(
            "A password on the command line can be read by everybody on this machine: put it into a passfile"
            " (~/.pgpass) or PGPASSWORD."
        )
    return text


async def _move(source: Place, target: Place, *, may_replace: bool) -> None:
    from innkeeper.server.cli.transfer_progress import shown
    from innkeeper.server.flows.transfer.move import move
    from innkeeper.server.storage.transfer.copying import total

    if source == target:
        raise CommandFailed("SOURCE and TARGET are the same.")
    async with AsyncExitStack() as stack:
        here = await _opened(source, stack, may_create=False)
        there = await _opened(target, stack, may_create=True)
        with shown(await total(here)) as tell:
            counted = await move(
                here,
                there,
                now=datetime.now(UTC),
                transfer=secrets.token_hex(8),
                may_replace=may_replace,
                tell=tell,
            )
    output.done(f"{counted.rows:,} rows in {counted.tables} tables have arrived, every one compared.")
    if isinstance(target, str):
        output.done(f"Now set `url` in [database] of innkeeper.toml: {there.place}")
    else:
        output.done(f"Now take `url` out of [database] in innkeeper.toml; the file is {target}.")
    output.done(f"{here.place} is not served any more. Delete it when you no longer want it.")


async def _give_up(source: Place) -> None:
    from innkeeper.server.flows.transfer.move import give_up

    async with AsyncExitStack() as stack:
        here = await _opened(source, stack, may_create=False)
        await give_up(here)
        output.done(f"{here.place} serves again. What has arrived elsewhere is worth nothing; delete it.")


async def _opened(where: Place, stack: AsyncExitStack, *, may_create: bool) -> End:
    from innkeeper.server import app
    from innkeeper.server.config import Database

    if isinstance(where, Path):
        end = await app.open_alone(where, may_create=may_create)
    else:
        end = await app.open_alone(Path(), Database(url=where))
    stack.push_async_callback(end.close)
    return end
