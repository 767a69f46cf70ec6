"""Passwords reach a command by prompt or stdin, never by arguments: every user of a machine sees those."""

from __future__ import annotations

import secrets
import sys
from typing import Final

import click

from innkeeper.server.cli.failure import CommandFailed

ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that look alike: people type these."""

stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
generate_option = click.option("--generate", is_flag=True, help="Draw a password and show it, once.")


def generated() -> str:
    """Four groups of four: 79 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def ask(*, from_stdin: bool, generate: bool) -> tuple[str, bool]:
    """The password, and whether it was drawn here."""
    if from_stdin and generate:
        raise click.UsageError(
            "--password-stdin and --generate are two ways to one password: give one of them."
        )
    if generate:
        return generated(), True
    if from_stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise CommandFailed("Standard input holds no password.")
        return line, False
    if not sys.stdin.isatty():
        raise CommandFailed("No terminal to ask for a password: use --password-stdin or --generate.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True)), False
