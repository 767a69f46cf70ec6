"""The screen of `innkeeper dev`: where it is, who may sign in, which apps there are, a call that works."""

from __future__ import annotations

import click

from innkeeper import __version__
from innkeeper.server.cli import output
from innkeeper.server.cli.data_folder import DataFolder
from innkeeper.server.cli.dev_file import DevApp, DevFile


def show(content: DevFile, folder: DataFolder, *, seconds: float) -> None:
    """Plain text when nobody is looking; the same facts are in dev.json."""
    click.echo()
    click.echo(f"{_bold('Innkeeper')} {__version__}  ready in {seconds:.1f} s  {_dim('this machine only')}")
    click.echo()
    click.echo(f"{_bold('Issuer')}  {content.issuer}")
    click.echo(f"{_bold('Data')}    {folder.path}  {_dim('delete it to start afresh')}")
    click.echo(f"        {folder.dev_file.name}: all of this for programs")
    click.echo()
    people = [
        (person.username, person.password or "(changed)", ", ".join(person.roles) or "-")
        for person in content.people
    ]
    output.table(("People", "password", "role"), people, empty="No people.")
    click.echo()
    apps = [
        (app.client_id, app.type, _secret(app), next(iter(app.redirect_uris), "-")) for app in content.apps
    ]
    output.table(("Apps", "type", "secret", "callback"), apps, empty="No apps.")
    click.echo()
    apis = [(api.identifier, " ".join(api.scopes)) for api in content.apis]
    output.table(("API", "scopes"), apis, empty="No APIs.")
    _show_call(content)
    click.echo()
    click.echo(f"{_dim('Your own app:')} {output.program()} app create my-site --type regular_web")
    click.echo(_dim("Ctrl-C stops it."))
    click.echo()


def _show_call(content: DevFile) -> None:
    cron = next((app for app in content.apps if app.type == "m2m" and app.client_secret), None)
    if cron is None or not content.apis:
        return
    click.echo()
    click.echo(_bold("A token for a machine"))
    click.echo(
        f"curl {content.issuer.removesuffix('/')}/oauth/token -u {cron.client_id}:{cron.client_secret}"
        f" -d grant_type=client_credentials -d audience={content.apis[0].identifier}"
    )


def _secret(app: DevApp) -> str:
    if app.type in ("spa", "native"):
        return "none (PKCE)"
    return app.client_secret or "(changed)"


def _bold(text: str) -> str:
    return click.style(text, bold=True) if output.is_beautiful() else text


def _dim(text: str) -> str:
    return click.style(text, dim=True) if output.is_beautiful() else text
