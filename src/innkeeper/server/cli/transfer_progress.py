"""A bar on a person's terminal while a database is carried; nothing in a log."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

from innkeeper.server.storage.transfer.copying import Tell


@contextmanager
def shown(total_rows: int) -> Generator[Tell]:
    """On stderr, for each pass through the rows one bar."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"),
        TimeRemainingColumn(), TextColumn("{task.fields[table]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars: dict[str, tuple[TaskID, int]] = {}

        def tell(what: str, table: str, rows: int) -> None:
            bar, done = bars.get(what, (None, total_rows))
            if bar is None or done + rows > total_rows:  # once more through all of them
                bar, done = progress.add_task(what, total=total_rows, table=table), 0
            bars[what] = bar, done + rows
            progress.update(bar, completed=done + rows, table=table)

        yield tell


def _nothing(what: str, table: str, rows: int) -> None:
    """Nobody is looking."""
