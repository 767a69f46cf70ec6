"""`innkeeper serve` whose purge works while a file is there, and at once: how the growth tests turn it on and off.

`python -P tests/faults/growth/serving.py serve ...`, with the file's path in PURGES_WHILE.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from innkeeper.server import app
from innkeeper.server.cli.main import main
from innkeeper.server.flows.services import Services
from innkeeper.server.jobs import runner
from innkeeper.server.jobs.purge_expired import purge_expired

VARIABLE: Final = "PURGES_WHILE"
_LOOK_S: Final = 0.02


async def purge_while_wanted(services: Services) -> None:
    """The job as it is, ended as the runner would end it."""
    wanted = Path(os.environ[VARIABLE])
    if not wanted.exists():
        return
    turn = asyncio.create_task(purge_expired(services))
    while not turn.done() and wanted.exists():
        await asyncio.wait({turn}, timeout=_LOOK_S)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)


def serve() -> None:
    """With every other job as it is."""
    jobs = tuple(
        replace(job, interval_s=_LOOK_S, run=purge_while_wanted, on_one_node=False)
        if job.name == "purge_expired"
        else job
        for job in runner.JOBS
    )
    setattr(app, "Runner", partial(runner.Runner, jobs=jobs))  # noqa: B010 - a class for mypy
    main()


if __name__ == "__main__":
    serve()
