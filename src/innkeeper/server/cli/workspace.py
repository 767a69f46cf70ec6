"""Commands at work: the data folder opened beside a running server, and closed again."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec

import click

from innkeeper.server.cli import data_folder, master_secret_file
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.flows.services import Services

P = ParamSpec("P")

data_option = click.option(
    "--data",
    metavar="DIR",
    help="The data folder. Default: INNKEEPER_DATA, this folder, or the dev folder near it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@asynccontextmanager
async def opened(folder: DataFolder) -> AsyncIterator[Services]:
    """The services of a short-lived command: no jobs, no sockets, the same transitions as the server."""
    from innkeeper.server import app

    settings = folder.settings()
    master = master_secret_file.load(folder, os.environ)
    store = await app.open_store(folder.database, settings.database, role="command")
    try:
        yield await app.open_services(settings, store, master, accept_clock=True)
    finally:
        await store.close()


def administration(
    function: Callable[Concatenate[Services, P], Awaitable[None]],
) -> Callable[P, None]:
    """Turns a coroutine on services into a command body with `--data`."""

    @data_option
    @functools.wraps(function)
    def body(*arguments: P.args, **options: P.kwargs) -> None:
        data = options.pop("data")
        assert data is None or isinstance(data, str)
        folder = data_folder.find(data)

        async def work() -> None:
            async with opened(folder) as services:
                await function(services, *arguments, **options)

        asyncio.run(work())

    return body
