"""Processes that kill themselves with SIGKILL before a given statement: `python -m tests.faults.kill.dying`.

One line of JSON on stdin is one trial in a process of its own, forked while nothing is open; one line on stdout says
how it ended: {"signal": 9}, or {"exit": 0, "statements": 217}.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from innkeeper.server import app
from innkeeper.server.config import Database
from innkeeper.server.flows.transfer.backup import back_up
from innkeeper.server.flows.transfer.restore import restore, verify
from innkeeper.server.storage.transfer import copying
from tests.contract.transfer.filling import NOW, nothing
from tests.contract.transfer.places import Place, moved

# Behind the database's own time, which a restore does not fall behind: two of them write the same instants.
AFTER_ALL = NOW + timedelta(days=36_500)
_ASKS = ("execute", "fetch", "copy_records_to_table")


class Countdown:
    """Of statements, in either store: COMMIT is one of them, and so are BEGIN and each inserted row."""

    def __init__(self, dies_before: int | None) -> None:
        self.statements = 0
        self._dies_before = dies_before

    def watch(self) -> None:
        """Every connection that is opened from now on."""
        apsw.connection_hooks.append(self._watch_sqlite)
        for name in _ASKS:
            setattr(asyncpg.Connection, name, self._counted(getattr(asyncpg.Connection, name)))

    def step(self) -> None:
        self.statements += 1
        if self.statements == self._dies_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def _watch_sqlite(self, connection: apsw.Connection) -> None:
        def trace(*_: Any) -> bool:
            self.step()
            return True

        connection.exec_trace = trace

    def _counted(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*arguments: Any, **options: Any) -> Any:
            self.step()
            return await ask(*arguments, **options)

        return counted


def place(text: str) -> Place:
    return Place(Path("none"), Database(url=text)) if "://" in text else Place(Path(text))


async def work(what: str, source: str, target: str) -> None:
    copying.CHUNK_ROWS = 2  # type: ignore[misc]
    if what == "migrate":
        here = place(source)
        await (await app.open_store(here.path, here.database, role="command")).close()
    elif what == "move":
        await moved(place(source), place(target), transfer=os.urandom(4).hex())
    elif what == "backup":
        written = await app.open_backup(Path(target))
        async with place(source).snapshot() as here_end:
            await back_up(here_end, written, now=NOW, transfer="ab12", tell=nothing)
        await written.close()
    elif what == "restore":
        async with place(source).snapshot() as file, place(target).alone() as there:
            backup = await verify(file, nothing)
            await restore(file, there, backup, may_replace=False, now=AFTER_ALL, tell=nothing)
    else:
        raise ValueError(what)


def child(order: dict[str, Any], told: int) -> None:
    countdown = Countdown(order["dies_before"])
    countdown.watch()
    asyncio.run(work(order["what"], order["source"], order["target"]))
    os.write(told, str(countdown.statements).encode())


def trial(order: dict[str, Any]) -> dict[str, int]:
    """How it ended."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            child(order, writing)
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{order}: {type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)
    os.close(writing)
    _, status = os.waitpid(process, 0)
    with os.fdopen(reading) as answer:
        told = answer.read()
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit": os.WEXITSTATUS(status), "statements": int(told or 0)}


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(trial(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
