"""`innkeeper backup`: the whole database in one file, while it is served."""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from innkeeper.server.cli import data_folder, output, private_file
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.cli.workspace import data_option


@click.command(short_help="Write the whole database into one file, while it is served.")
@click.argument("file")
@data_option
def backup(file: str, data: str | None) -> None:
    """Write the whole database into FILE, as it is at one instant, while it is served.

    Everything in the file is read again and compared before it gets its name. The file is for its owner alone (mode
    0600); nothing is written over. Where FILE is a folder, the name is made of the time.

    The master secret is not in it: keep a copy of that elsewhere, or the backup is worth nothing.
    """
    folder = data_folder.find(data)
    now = datetime.now(UTC)
    target = Path(file).expanduser().absolute()
    if target.is_dir():
        target /= f"innkeeper-{now:%Y%m%dT%H%M%SZ}.sqlite3"
    if target.exists():
        raise CommandFailed(f"{target} exists already; a backup is never written over another.")
    asyncio.run(_back_up(folder, target, now))


async def _back_up(folder: DataFolder, target: Path, now: datetime) -> None:
    from innkeeper.server import app
    from innkeeper.server.cli.transfer_progress import shown
    from innkeeper.server.flows.transfer.backup import back_up
    from innkeeper.server.storage.transfer.copying import total

    transfer = secrets.token_hex(8)
    unfinished = target.with_name(f".{target.name}.{transfer}")
    source = await app.open_snapshot(folder.database, folder.settings().database)
    try:
        written = await app.open_backup(unfinished)
        try:
            with shown(await total(source)) as tell:
                counted = await back_up(source, written, now=now, transfer=transfer, tell=tell)
        finally:
            await written.close()
        give_name(unfinished, target)
    finally:
        await source.close()
        unfinished.unlink(missing_ok=True)
    output.done(f"{target}: {counted.rows:,} rows in {counted.tables} tables, read again and compared.")
    output.done("The master secret is not in it: keep a copy of that elsewhere.")


def give_name(unfinished: Path, target: Path) -> None:
    """From here on it is a backup, after a power loss too."""
    _take_place(unfinished, target)
    private_file.flush_folder(target.parent)


def _take_place(unfinished: Path, target: Path) -> None:
    """A link, unlike a rename, never takes another's place; not every disk has them."""
    try:
        os.link(unfinished, target)
    except FileExistsError:
        raise
    except OSError:
        if target.exists():
            raise
        unfinished.rename(target)
