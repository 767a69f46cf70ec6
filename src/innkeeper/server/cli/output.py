"""What commands print: tables and fields, in colour for a person's terminal, plain for everything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec


def is_beautiful() -> bool:
    """A person is looking, and has not asked for plain text (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def program() -> str:
    """What the person types: `innkeeper`, or from a clone `python3 run.py`, which says so itself."""
    return os.environ.get("INNKEEPER_PROGRAM", "innkeeper")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Never cuts or wraps a value in plain text: scripts read it too."""
    rows = list(rows)
    if not rows:
        click.echo(empty)
    elif is_beautiful():
        _rich_table(columns, rows)
    else:
        _plain_table([columns, *rows])


def fields(pairs: Mapping[str, str | Sequence[str]]) -> None:
    """One name per line with its value; several values stand below each other."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        first, *others = ([value] if isinstance(value, str) else list(value)) or ["-"]
        click.echo(
            f"{click.style(name.ljust(width), dim=True) if is_beautiful() else name.ljust(width)}  {first}"
        )
        for other in others:
            click.echo(f"{' ' * width}  {other}")


def document(value: Any) -> None:
    """For programs (`--json`)."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def heading(text: str) -> None:
    """A line that stands out on a terminal."""
    click.echo(click.style(text, bold=True) if is_beautiful() else text)


def done(text: str) -> None:
    """What was done, on stderr: stdout holds only what was asked for."""
    click.echo(text, err=True)


def _plain_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rich_table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        rich_table.add_column(column, overflow="fold")
    for row in rows:
        rich_table.add_row(*(Text(cell) for cell in row))
    Console().print(rich_table)
