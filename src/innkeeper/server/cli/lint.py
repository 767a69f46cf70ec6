"""`innkeeper lint`: what is risky in the settings, the apps and the APIs (R-AP10)."""

from __future__ import annotations

import click

from innkeeper.server.cli import output
from innkeeper.server.cli.failure import CommandFailed
from innkeeper.server.cli.workspace import administration, json_option
from innkeeper.server.flows.services import Services
from innkeeper.server.protocol import assessment


@click.command(short_help="Say what is risky in the settings, the apps and the APIs.")
@click.option(
    "--fail-on",
    type=click.Choice(assessment.SEVERITIES),
    help="Exit with 1 where something is as bad as this, or worse: for a build.",
)
@json_option
@administration
async def lint(services: Services, *, fail_on: assessment.Severity | None, as_json: bool) -> None:
    """Say what is risky, the worst first, and what to do about it. Nothing is changed."""
    apis = (await services.store.registry.snapshot()).apis
    found = assessment.findings(await services.store.clients.list(), apis, services.settings)
    if as_json:
        output.document(found)
    else:
        rows = [(one.severity, one.subject, one.check, one.text) for one in found]
        output.table(("SEVERITY", "WHERE", "WHAT", ""), rows, empty="Nothing risky was found.")
    if fail_on is not None:
        bad = assessment.SEVERITIES[: assessment.SEVERITIES.index(fail_on) + 1]
        count = sum(one.severity in bad for one in found)
        if count:
            raise CommandFailed(f"{count} findings are {fail_on} or worse.")
