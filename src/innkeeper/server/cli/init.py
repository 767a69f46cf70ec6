"""`innkeeper init`: a data folder for production, and the link that makes the first administrator."""

from __future__ import annotations

import asyncio
import os

import click

from innkeeper.server.cli import data_folder, master_secret_file, output, private_file
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.model import database_url


@click.command(short_help="Prepare a data folder for production.")
@click.option(
    "--issuer", required=True, metavar="URL", help="The address of this server, as in https://id.example.com."
)
@click.option("--data", metavar="DIR", help="The folder to make. Default: INNKEEPER_DATA or this folder.")
@click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL instead of the SQLite file, as in postgresql://innkeeper@db.example.com/innkeeper."
    " The password belongs into a passfile or PGPASSWORD.",
)
def init(issuer: str, data: str | None, database: str | None) -> None:
    """Prepare a data folder for production: settings, database, master secret, signing keys.

    Prints a link that makes the first administrator. It works once, for 24 hours.
    """
    from innkeeper.server.cli import settings_file
    from innkeeper.server.config import Database, Settings, check

    check(Settings(issuer=issuer, database=Database(url=database)))
    _refuse_password(database)
    folder = data_folder.at(data or os.environ.get("INNKEEPER_DATA") or ".")
    if folder.is_production:
        raise CommandFailed(
            f"{folder.config} exists already. `innkeeper serve --data {folder.path}` serves it."
        )
    if folder.database.exists():
        raise CommandFailed(
            f"{folder.path} holds a database without settings; name another folder with --data."
        )
    folder.create()
    master_secret_file.load_or_create(folder, os.environ)
    private_file.create(folder.config, settings_file.text(issuer, database))
    try:
        link = asyncio.run(_prepare(folder))
    except BaseException:
        folder.config.unlink(missing_ok=True)  # so that the next try is not told that all is done
        raise
    _show(folder, issuer, link)


def _refuse_password(database: str | None) -> None:
    """Everybody on this machine can read command lines, and the settings are no secret."""
    if database is not None and database_url.holds_password(database):
        raise CommandFailed(
            "The password does not belong into the URL: put it into ~/.pgpass, the file that PGPASSFILE names,"
            " or PGPASSWORD."
        )


async def _prepare(folder: DataFolder) -> str:
    from innkeeper.server.cli.workspace import opened
    from innkeeper.server.flows.administer import keys, setup_link

    async with opened(folder) as services:
        await keys.ensure(services)
        return await setup_link.create(services)


def _show(folder: DataFolder, issuer: str, link: str) -> None:
    url = folder.settings().database.url
    output.fields(
        {
            "Issuer": issuer,
            "Settings": str(folder.config),
            "Database": str(folder.database) if url is None else database_url.place_of(url),
            "Master secret": f"{folder.master_secret}  (keep a copy apart from the database's backups)",
        }
    )
    click.echo()
    click.echo("Start the server:")
    click.echo(f"  innkeeper serve --data {folder.path}")
    click.echo("Then make the first administrator. This link works once, for 24 hours:")
    click.echo(f"  {link}")
