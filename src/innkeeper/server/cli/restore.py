"""`innkeeper restore`: a backup back in its place, or only checked."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from innkeeper.server.cli import data_folder, master_secret_file, output
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.workspace import data_option

if TYPE_CHECKING:
    from innkeeper.server.flows.transfer.restore import Backup
    from innkeeper.server.storage.transfer.interface import End


@click.command(short_help="Bring a backup back, or only check it.")
@click.argument("file")
@click.option("--verify", is_flag=True, help="Only read the file to its end and say whether it is whole.")
@click.option("--replace", is_flag=True, help="Delete the database that is there now.")
@data_option
def restore(file: str, verify: bool, replace: bool, data: str | None) -> None:
    """Bring back the backup in FILE. The server must not run.

    The file is read to its end first and compared with the counts and digests that were written with it; so is what
    has arrived. Killed on its way, the same command goes on; until it is through the database is not served.

    The database goes back in time, so everything ends that may have been revoked since: everybody signs in again,
    every app needs new tokens, consents are asked for again.
    """
    path = Path(file).expanduser().absolute()
    folder = None if verify else data_folder.find(data)
    asyncio.run(_restore(path, folder, may_replace=replace))


async def _restore(path: Path, folder: DataFolder | None, *, may_replace: bool) -> None:
    from innkeeper.server import app
    from innkeeper.server.cli.transfer_progress import shown
    from innkeeper.server.flows.transfer import restore as flow
    from innkeeper.server.storage.transfer.copying import total

    source = await app.open_snapshot(path)
    try:
        with shown(await total(source)) as tell:
            backup = await flow.verify(source, tell)
            if folder is None:
                _report(path, backup)
                return
            await _require_ours(folder, source)
            database = folder.settings().database
            target = await app.open_alone(folder.database, database, may_create=True)
            try:
                now = datetime.now(UTC)
                await flow.restore(source, target, backup, may_replace=may_replace, now=now, tell=tell)
            finally:
                await target.close()
    finally:
        await source.close()
    output.done(f"{backup.counted.rows:,} rows are back as they were at {backup.made_at}.")
    output.done("All sign-ins, tokens and consents have ended, since they may have been revoked after that.")


def _report(path: Path, backup: Backup) -> None:
    counted = backup.counted
    output.done(
        f"{path} is whole: {counted.rows:,} rows in {counted.tables} tables, made at {backup.made_at}."
    )


async def _require_ours(folder: DataFolder, source: End) -> None:
    """Before anything is deleted: what is sealed in the backup can be opened here, and by this issuer."""
    from innkeeper.server import app
    from innkeeper.server.flows.transfer.owner import owner_of

    instance = await owner_of(source)
    if instance is not None:
        app.require_owner(instance, folder.settings(), master_secret_file.load(folder, os.environ))
