"""The data folder: settings, database, master secret and, under `innkeeper dev`, dev.json."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from innkeeper.server.cli.failure import CommandFailed

if TYPE_CHECKING:
    from innkeeper.server.config import Settings

CONFIG_NAME: Final = "innkeeper.toml"
DEV_NAME: Final = ".innkeeper"


@dataclass(frozen=True, kw_only=True)
class DataFolder:
    """`config` may lie elsewhere (`--config`); everything else is inside `path`."""

    path: Path
    config: Path

    @property
    def database(self) -> Path:
        return self.path / "innkeeper.sqlite3"

    @property
    def master_secret(self) -> Path:
        return self.path / "master.secret"

    @property
    def dev_file(self) -> Path:
        return self.path / "dev.json"

    @property
    def is_production(self) -> bool:
        return self.config.exists()

    def create(self) -> None:
        """For the owner alone: it will hold the database and the master secret."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def settings(self) -> Settings:
        """Of production from the file and the environment, of a dev folder from dev.json."""
        from innkeeper.server import config

        if self.is_production:
            return config.load(self.config, os.environ)
        from innkeeper.server.cli import dev_file

        known = dev_file.read(self.dev_file)
        if known is None:
            raise CommandFailed(
                f"{self.path} is not a data folder: run `innkeeper dev` or `innkeeper init` first."
            )
        return config.Settings(issuer=known.issuer, data=str(self.path), legacy=known.legacy, dev=True)


def at(data: str | Path) -> DataFolder:
    """The folder itself, existing or not."""
    path = Path(data).expanduser().absolute()
    return DataFolder(path=path, config=path / CONFIG_NAME)


def of_config(config: str | Path) -> DataFolder:
    """The folder that a settings file names, seen from where the file lies."""
    from innkeeper.server import config as settings

    path = Path(config).expanduser().absolute()
    data = settings.load(path, os.environ).data
    return DataFolder(path=(path.parent / Path(data).expanduser()).resolve(), config=path)


def for_production(data: str | None, config: str | None) -> DataFolder:
    """What `serve` serves: named on the command line, in the environment, or this folder."""
    if data is not None and config is not None:
        raise CommandFailed("--data and --config both name the data folder: give one of them.")
    if data is None and (config := config or os.environ.get("INNKEEPER_CONFIG")):
        return of_config(config)
    folder = at(data or os.environ.get("INNKEEPER_DATA") or ".")
    if not folder.is_production:
        hint = "`innkeeper dev` serves it" if folder.dev_file.exists() else "`innkeeper init` makes one"
        raise CommandFailed(f"{folder.config} does not exist: {hint}.")
    return of_config(folder.config)


def find(data: str | None) -> DataFolder:
    """For commands: what is named, then this folder's settings, then a dev folder: one that runs goes first."""
    if named := data or os.environ.get("INNKEEPER_DATA"):
        return _existing(at(named))
    if config := os.environ.get("INNKEEPER_CONFIG"):
        return of_config(config)
    here = Path.cwd()
    if (here / CONFIG_NAME).exists():
        return of_config(here / CONFIG_NAME)
    if found := _dev_folder(here):
        return found
    raise CommandFailed(
        "No data folder found: start `innkeeper dev` here, or name one with --data DIR or INNKEEPER_DATA."
    )


def _dev_folder(here: Path) -> DataFolder | None:
    """The nearest upwards; while it does not run, the one that the last `innkeeper dev` serves."""
    from innkeeper.server.cli import last_dev

    candidates = (at(folder / DEV_NAME) for folder in (here, *here.parents))
    nearest = next((candidate for candidate in candidates if candidate.dev_file.exists()), None)
    if nearest is not None and last_dev.is_served(nearest.path):
        return nearest
    if running := last_dev.folder():
        click.echo(f"Using the running dev server's folder {running}.", err=True)
        return at(running)
    return nearest


def _existing(folder: DataFolder) -> DataFolder:
    if folder.is_production:
        return of_config(folder.config)
    if not folder.dev_file.exists():
        raise CommandFailed(
            f"{folder.path} is not a data folder: run `innkeeper dev` or `innkeeper init` first."
        )
    return folder
