"""Races by the thousand: batches of independent trials, let go together in every process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import msgspec

from innkeeper.server.flows.services import Services
from tests.faults.races.node import READY, Share, run
from tests.faults.races.rivals import UNKNOWN, Kind, Ticket
from tests.faults.races.world import AnyStore, any_password, open_at, prepare, services_on

# Rivals that one process has under way at once.
_MOST_RIVALS: Final = 256
_HEAD_START_NS: Final = 1_000_000
# Large tables are another suite's subject: here the trials are to be many.
_TIDY_AFTER: Final = 2_000
_ANSWERS: Final = msgspec.json.Decoder(list[list[str]])


class Report(msgspec.Struct, kw_only=True):
    """What came of the trials so far."""

    trials: int = 0
    ends: Counter[str] = msgspec.field(default_factory=Counter)
    """How often each outcome of a whole trial was seen, the names of winners left out."""
    wrong: list[str] = msgspec.field(default_factory=list)
    """The trials that ended as none may, with their numbers."""
    first_wrong: int | None = None
    unknown: int = 0
    """Trials of which some rival was not told how it ended."""


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

    def __init__(self, store: AnyStore, services: Services, others: Sequence[Other]) -> None:
        self.store = store
        self._services = services
        self._others = others
        self._since_tidied = 0

    async def race(
        self, kind: Kind, trials: int, width: int, *, loses_answers: bool = False, until_wrong: bool = False
    ) -> Report:
        """So many trials of so many rivals. Each process has its share of the rivals of every trial.

        `loses_answers`: of every trial the answer to one COMMIT, in each process.
        """
        report = Report()
        here = -(-width // (1 + len(self._others)))
        at_once = 1 if loses_answers else max(1, min(kind.at_once, _MOST_RIVALS // here))
        while report.trials < trials and not (until_wrong and report.wrong):
            tickets = await kind.make(min(at_once, trials - report.trials), self._services)
            told = await self._let_go(kind, tickets, width, loses_answers)
            for ticket, answers in zip(tickets, told, strict=True):
                await self._judge(report, kind, ticket, Counter(answers), width)
            self._since_tidied += len(tickets)
            if self._since_tidied >= _TIDY_AFTER:
                await self.tidy()
        return report

    async def audited(self, kind: Kind) -> int:
        """How many successes of this kind the audit knows of."""
        return sum(row.type in kind.audited for row in await self.store.audit_rows())

    async def tidy(self) -> None:
        """What was raced for is over: as it would be a year from now. Nobody is under way."""
        self._since_tidied = 0
        later = self._services.clock.now() + timedelta(days=400)
        while await self.store.purge(now=later, limit=1_000):
            pass

    async def _let_go(
        self, kind: Kind, tickets: list[Ticket], width: int, loses_answers: bool
    ) -> list[list[str]]:
        doors = 1 + len(self._others)
        at_ns = time.monotonic_ns() + _HEAD_START_NS * bool(self._others)
        shares = [
            Share(
                kind=kind.name, tickets=tickets, rivals=list(range(door, width, doors)), at_ns=at_ns,
                loses_answers=loses_answers,
            )
            for door in range(doors)
        ]  # fmt: skip
        for other, share in zip(self._others, shares[1:], strict=True):
            await other.give(share)
        told = [await run(shares[0], self._services)]
        told += [await other.told() for other in self._others]
        return [[word for words in answers for word in words] for answers in zip(*told, strict=True)]

    async def _judge(
        self, report: Report, kind: Kind, ticket: Ticket, told: Counter[str], width: int
    ) -> None:
        report.trials += 1
        report.ends[spelt(told)] += 1
        report.unknown += UNKNOWN in told
        is_well = UNKNOWN in told or await kind.is_well(ticket, width, self._services)
        if not (kind.may_end(told) and is_well):
            report.wrong.append(f"trial {report.trials}: {dict(told)}")
            report.first_wrong = report.first_wrong or report.trials


def spelt(told: Counter[str]) -> str:
    """`1 won, 7 refused`."""
    words: Counter[str] = Counter()
    for word, count in told.items():
        words[word.partition(" ")[0]] += count
    return ", ".join(f"{words[word]} {word}" for word in sorted(words, reverse=True))


@asynccontextmanager
async def an_arena(address: str, *, others: int = 0) -> AsyncIterator[Arena]:
    """This process opens the state first, as the server, and prepares it if need be; the others come as commands do."""
    store = await open_at(address, "serving")
    if not (await store.registry.snapshot()).signing_keys:
        await prepare(store)
    words = (sys.executable, "-m", "tests.faults.races.node", address)
    processes = [
        await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        for _ in range(others)
    ]
    rivals = [Other(process) for process in processes]
    try:
        with any_password():
            services = await services_on(store)
            for rival in rivals:
                await rival.wait_until_ready()
            yield Arena(store, services, rivals)
            for rival in rivals:
                await rival.end()
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await store.close()
