"""The `innkeeper` command. A group's module is imported when one of its commands is named, not before."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final, NamedTuple

import click

from innkeeper import __version__
from innkeeper.server.cli.failure import explanation


class Entry(NamedTuple):
    """A command of the first level: where it lives, and its line in the help."""

    name: str
    module: str
    attribute: str
    summary: str


COMMANDS: Final = (
    Entry("dev", "dev", "dev", "Start an issuer with an example world, for this machine only."),
    Entry("init", "init", "init", "Prepare a data folder for production."),
    Entry("serve", "serve", "serve", "Serve a data folder that `init` has prepared."),
    Entry("app", "apps", "app", "Applications that ask for tokens."),
    Entry("api", "apis", "api", "APIs and their scopes."),
    Entry("user", "users", "user", "People, their roles, passwords and consents."),
    Entry(
        "directory", "directories", "directory", "Directories: sets of people, each with its own passwords."
    ),
    Entry("issuer", "issuers", "issuer", "Issuers of others whose word about people is taken."),
    Entry("role", "roles", "role", "Roles: names for sets of permissions."),
    Entry("grant", "grants", "grant", "What apps may go on doing for a person while they are away."),
    Entry("key", "keys", "key", "Signing keys."),
    Entry("assertion", "assertions", "assertion", "Keys and JWTs by which an app proves itself."),
    Entry("backup", "backup", "backup", "Write the whole database into one file, while it is served."),
    Entry("restore", "restore", "restore", "Bring a backup back, or only check it."),
    Entry("migrate-db", "migrate_db", "migrate_db", "Move everything from SQLite to PostgreSQL, or back."),
    Entry("lint", "lint", "lint", "Say what is risky in the settings, the apps and the APIs."),
    Entry("token", "token", "token", "Ask the running server for a machine's token, and explain it."),
)


class LazyGroup(click.Group):
    """Knows its commands by name and summary; `innkeeper serve` never loads what prints tables."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = next((entry for entry in COMMANDS if entry.name == cmd_name), None)
        if entry is None:
            return None
        command = getattr(import_module(f"innkeeper.server.cli.{entry.module}"), entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in COMMANDS])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="innkeeper")
def root() -> None:
    """Innkeeper signs people in and issues tokens (OAuth 2.1, OpenID Connect).

    \b
    innkeeper dev                 try it: an issuer, people, apps and an API on this machine
    innkeeper app create my-site  register an app and print what to paste into it
    """


def main() -> None:
    """Exit status 1 with one line that says cause and remedy, 2 for a wrong command line, 130 for Ctrl-C."""
    try:
        status = root.main(prog_name="innkeeper", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        status = 130
    except Exception as error:
        text = explanation(error)
        if text is None:
            raise
        click.echo(f"innkeeper: {text}", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
