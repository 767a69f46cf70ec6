"""`innkeeper serve`: the production server."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from innkeeper.server.cli import data_folder, hooks_file, listening, master_secret_file, supervisor
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.config import LOOPBACK_HOSTS, Listen, Settings

if TYPE_CHECKING:
    from innkeeper.server.flows.services import Services


@click.command(short_help="Serve a data folder that `init` has prepared.")
@click.option("--data", metavar="DIR", help="The data folder. Default: INNKEEPER_DATA or this folder.")
@click.option(
    "--config", metavar="FILE", help="The settings, where they lie elsewhere. Default: INNKEEPER_CONFIG."
)
@click.option("--host", metavar="ADDRESS", help="Instead of `listen.host`.")
@click.option("--port", type=click.IntRange(1, 65535), help="Instead of `listen.port`.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that answer; more than one needs PostgreSQL.",
)
@click.option(
    "--accept-clock",
    is_flag=True,
    help="Start although the clock is far behind the last use of the database.",
)
def serve(
    data: str | None, config: str | None, host: str | None, port: int | None, workers: int, accept_clock: bool
) -> None:
    """Serve a data folder that `innkeeper init` has prepared, until SIGTERM or Ctrl-C."""
    from msgspec.structs import replace

    folder = data_folder.for_production(data, config)
    settings = folder.settings()
    listen = replace(settings.listen, host=host or settings.listen.host, port=port or settings.listen.port)
    supervisor.refuse_if_impossible(workers, is_sqlite=settings.database.url is None)
    check_exposure(listen)
    check_files(folder, listen)
    try:
        sockets = listening.on(listen.host, listen.port)
    except OSError as error:
        remedy = "Set `listen.host` and `listen.port` in the settings, or --host and --port."
        raise listening.failure(error, listen.port, remedy=remedy) from error
    _run(folder, replace(settings, listen=listen), sockets, workers=workers, accept_clock=accept_clock)


def check_exposure(listen: Listen) -> None:
    """Plain http beyond this machine is for a proxy alone: passwords would cross the network in clear."""
    if _is_loopback(listen.host) or listen.certificate is not None:
        return
    if not listen.trusted_proxies:
        raise CommandFailed(
            f"Listening on {listen.host} without TLS would send passwords in clear. Set `listen.certificate`"
            " and `listen.private_key`; or listen on 127.0.0.1 behind a proxy; or name the proxy in"
            " `listen.trusted_proxies`."
        )


def _is_loopback(host: str) -> bool:
    try:
        return host in LOOPBACK_HOSTS or ip_address(host).is_loopback
    except ValueError:
        return False


def check_files(folder: DataFolder, listen: Listen) -> None:
    """What would otherwise fail later, with less to say."""
    for name, path in (("certificate", listen.certificate), ("private_key", listen.private_key)):
        if path is not None and not os.access(path, os.R_OK):
            raise CommandFailed(f"`listen.{name}`: {path} cannot be read.")
    if not master_secret_file.is_private(folder.master_secret):
        raise CommandFailed(
            f"Others can read {folder.master_secret}: run `chmod 600 {folder.master_secret}`."
        )


def _run(
    folder: DataFolder,
    settings: Settings,
    sockets: list[socket.socket],
    *,
    workers: int,
    accept_clock: bool,
) -> None:
    from innkeeper.server.cli import serving

    def listens() -> None:
        place = f"{settings.listen.host}:{settings.listen.port}"
        several = "" if workers == 1 else f" with {workers} workers"
        click.echo(f"Innkeeper serves {settings.issuer} on {place}{several}", err=True)

    worker, started = None, listens
    if workers > 1:
        drain_s = settings.listen.drain_s
        worker = supervisor.supervise(
            workers, sockets, drain_s=drain_s, shutdown_s=serving.SHUTDOWN_S, on_ready=listens
        )
        started = worker.tell_ready
    master = master_secret_file.load(folder, os.environ)
    hooks = None if settings.hooks is None else hooks_file.load(folder.config.parent / settings.hooks)

    async def prepare(services: Services) -> Callable[[], None]:
        return started

    serving.run(
        serving.serve(
            settings,
            folder.database,
            master,
            sockets,
            prepare,
            hooks,
            accept_clock=accept_clock,
            lifeline=None if worker is None else worker.lifeline,
        )
    )
