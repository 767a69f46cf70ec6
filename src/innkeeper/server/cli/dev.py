"""`innkeeper dev`: from an empty folder to a working issuer on loopback, no question asked."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from innkeeper.server.cli import data_folder, dev_file, hooks_file, listening, master_secret_file
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.config import LOOPBACK_HOSTS, LegacyFlows, Listen, Settings

if TYPE_CHECKING:
    from innkeeper.server.flows.services import Services


ALL_LEGACY: Final = LegacyFlows(password=True, implicit=True, front_channel_access_tokens=True)


@click.command(short_help="Start an issuer with an example world, for this machine only.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 takes a free one."
)
@click.option("--data", metavar="DIR", help="The data folder. Default: INNKEEPER_DATA or ./.innkeeper.")
@click.option(
    "--hooks", metavar="FILE", help="Python with your own rules for tokens, as the setting `hooks`."
)
@click.option(
    "--legacy",
    is_flag=True,
    help="Switch on what new apps should not use: password, implicit, hybrid tokens.",
)
@click.option(
    "--trailing-slash",
    is_flag=True,
    help="The issuer ends with a slash, as auth0-spa-js expects of one without https.",
)
@click.option("--host", hidden=True, default="localhost")
def dev(
    port: int, data: str | None, hooks: str | None, legacy: bool, trailing_slash: bool, host: str
) -> None:
    """Start an issuer with an example world: people, apps and an API, on loopback.

    The first start makes the data folder; later starts keep what is in it. Delete the folder to start afresh.
    """
    started_at = time.monotonic()
    if host not in LOOPBACK_HOSTS:
        raise CommandFailed(
            f"`innkeeper dev` listens on this machine only, not on {host}: its passwords lie in a file."
            " For others there are `innkeeper init` and `innkeeper serve`."
        )
    folder = data_folder.at(data or os.environ.get("INNKEEPER_DATA") or data_folder.DEV_NAME)
    if folder.is_production:
        raise CommandFailed(f"{folder.path} was made by `innkeeper init`: serve it with `innkeeper serve`.")
    try:
        sockets, chosen = listening.on_loopback(port)
    except OSError as error:
        remedy = f"Choose another one: `innkeeper dev --port {(port + 1) % 65536}`, or 0 for any."
        raise listening.failure(error, port, remedy=remedy) from error
    settings = Settings(
        issuer=f"http://localhost:{chosen}{'/' if trailing_slash else ''}",
        data=str(folder.path),
        listen=Listen(port=chosen, drain_s=0),
        legacy=ALL_LEGACY if legacy else LegacyFlows(),
        hooks=hooks,
        dev=True,
    )
    _run(folder, settings, sockets, started_at)


def _run(folder: DataFolder, settings: Settings, sockets: list[socket.socket], started_at: float) -> None:
    from innkeeper.server.cli import dev_screen, dev_setup, last_dev, serving

    folder.create()
    known = dev_file.read(folder.dev_file) if folder.database.exists() else None
    master = master_secret_file.load_or_create(folder, os.environ)
    hooks = None if settings.hooks is None else hooks_file.load(Path(settings.hooks))

    async def prepare(services: Services) -> Callable[[], None]:
        content = await dev_setup.prepare(services, known)

        def started() -> None:
            last_dev.note(folder.path)
            dev_file.write(folder.dev_file, content)
            dev_screen.show(content, folder, seconds=time.monotonic() - started_at)

        return started

    serving.run(serving.serve(settings, folder.database, master, sockets, prepare, hooks))
