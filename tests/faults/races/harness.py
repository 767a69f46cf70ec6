"""Races by the thousand: batches of trials that have nothing to do with each other, let go together in every process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from innkeeper.server.flows.services import Services
from tests.faults.races.kinds import Kind, Ticket
from tests.faults.races.node import READY, Share, run
from tests.faults.races.world import AnyStore, open_at, prepare, services_on

# Rivals that one process has under way at once.
_MOST_RIVALS: Final = 256
_HEAD_START_NS: Final = 1_000_000
_ANSWERS: Final = msgspec.json.Decoder(list[list[str]])


class Report(msgspec.Struct, kw_only=True):
    """What came of the trials so far."""

    trials: int = 0
    ends: Counter[str] = msgspec.field(default_factory=Counter)
    """How often each outcome of a whole trial was seen, the names of winners left out."""
    wrong: list[str] = msgspec.field(default_factory=list)
    """The trials that ended as none may, with their numbers."""
    first_wrong: int | None = None


class Other:
    """Another process that uses the same state."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def give(self, share: Share) -> None:
        """Sends it its share of a batch."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(share) + b"\n")
        await self._process.stdin.drain()

    async def told(self) -> list[list[str]]:
        """What its rivals were told."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the other process has ended"
        return _ANSWERS.decode(line)

    async def wait_until_ready(self) -> None:
        """Its store is open."""
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == READY

    async def end(self) -> None:
        """It goes when there is nothing more to do."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert await self._process.wait() == 0


class Arena:
    """One state, this process, and others."""

    def __init__(self, kind: Kind, store: AnyStore, services: Services, others: Sequence[Other]) -> None:
        self.kind = kind
        self.store = store
        self._services = services
        self._others = others

    async def race(self, trials: int, width: int, *, loses_answers: bool = False, until_wrong: bool = False) -> Report:
        """So many trials of so many rivals. Each process has every second of them."""
        report = Report()
        here = -(-width // (1 + len(self._others)))
        at_once = max(1, min(self.kind.at_once, _MOST_RIVALS // here))
        while report.trials < trials and not (until_wrong and report.wrong):
            tickets = await self.kind.make(min(at_once, trials - report.trials), self._services)
            told = await self._let_go(tickets, width, loses_answers)
            for ticket, answers in zip(tickets, told, strict=True):
                await self._judge(report, ticket, Counter(answers), width)
        return report

    async def _let_go(self, tickets: list[Ticket], width: int, loses_answers: bool) -> list[list[str]]:
        doors = 1 + len(self._others)
        at_ns = time.monotonic_ns() + _HEAD_START_NS * bool(self._others)
        shares = [
            Share(
                tickets=tickets,
                rivals=list(range(door, width, doors)),
                at_ns=at_ns,
                loses_answers=loses_answers,
            )
            for door in range(doors)
        ]
        for other, share in zip(self._others, shares[1:], strict=True):
            await other.give(share)
        told = [await run(shares[0], self.kind, self._services)]
        told += [await other.told() for other in self._others]
        return [[word for words in answers for word in words] for answers in zip(*told, strict=True)]

    async def _judge(self, report: Report, ticket: Ticket, told: Counter[str], width: int) -> None:
        report.trials += 1
        report.ends[spelt(told)] += 1
        is_good = self.kind.may_end(told) and await self.kind.is_well(ticket, width, self._services)
        if not is_good:
            report.wrong.append(f"trial {report.trials}: {dict(told)}")
            report.first_wrong = report.first_wrong or report.trials


def spelt(told: Counter[str]) -> str:
    """`1 won, 7 refused`."""
    words: Counter[str] = Counter()
    for word, count in told.items():
        words[word.partition(" ")[0]] += count
    return ", ".join(f"{words[word]} {word}" for word in sorted(words, reverse=True))


@asynccontextmanager
async def an_arena(kind: Kind, address: str, *, others: int = 0, sabotaged: str = "") -> AsyncIterator[Arena]:
    """This process opens the state at `address` first, as the server; the others come as commands do."""
    store = await open_at(address, "serving")
    await prepare(store)
    services = await services_on(store)
    words = (sys.executable, "-m", "tests.faults.races.node", address, kind.name, sabotaged)
    processes = [
        await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        for _ in range(others)
    ]
    rivals = [Other(process) for process in processes]
    try:
        for rival in rivals:
            await rival.wait_until_ready()
        yield Arena(kind, store, services, rivals)
        for rival in rivals:
            await rival.end()
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await store.close()
