"""A machine whose clock is set an hour forward and back, and that is started again in between (F17)."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from innkeeper.server import app
from innkeeper.server.flows import clocks
from innkeeper.server.model.identifiers import Attempt
from innkeeper.server.storage.outcomes import AlreadyClaimed, Claimed
from tests.conftest import Amount
from tests.machine import Machine
from tests.visitor import Visitor
from tests.world import MASTER, START, World, a_world, basic, code_form

STEPS = (timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=60), timedelta(seconds=-60))
FARTHEST = timedelta(hours=4)
CODE = timedelta(seconds=60)
DAY = timedelta(days=1)


class Unsteady:
    """One server on one file, and what it has promised. Everything that is asserted is a promise about time."""

    def __init__(self, folder: Path, machine: Machine, seed: int) -> None:
        self.file = folder / "time.sqlite"
        self.machine = machine
        # Not a secret: the same life again for the same seed.
        self.random = random.Random(seed)
        self.world: World
        self.last = self.committed = START
        self.codes: dict[str, datetime] = {}
        self.dead: set[str] = set()
        self.assertions: dict[bytes, datetime] = {}
        self.acts: list[Callable[[], Awaitable[None]]] = [
            self.set_the_clock, self.set_the_clock, self.wait, self.restart, self.set_back_while_off, self.purge,
            self.issue, self.issue, self.redeem, self.redeem, self.redeem,
            self.use_an_assertion, self.use_an_assertion_again, self.look_at_a_session,
        ]  # fmt: skip

    async def live(self, acts: int) -> None:
        """Act after act; the file is closed at the end."""
        self.world = await a_world(await app.open_store(self.file, role="serving"))
        await self.restart()
        try:
            for _ in range(acts):
                await self.random.choice(self.acts)()
                self.now()
        finally:
            await self.world.services.store.close()

    def now(self) -> datetime:
        """What the server believes; it never goes back."""
        now = self.world.services.clock.now()
        assert now >= self.last
        self.last = now
        return now

    def note_commit(self) -> datetime:
        """When it was: the machine stands still meanwhile."""
        self.committed = self.now()
        return self.committed

    # ------------------------------------------------------------ what happens to the machine

    async def set_the_clock(self) -> None:
        self.step(self.random.choice(STEPS))

    def step(self, step: timedelta) -> None:
        """Never so far that nobody would believe it."""
        truth = START + timedelta(seconds=self.machine.passed_s)
        wall = self.machine.wall + step
        self.machine.wall = wall if abs(wall - truth) <= FARTHEST else truth

    async def wait(self) -> None:
        self.machine.wait(self.random.choice([0.01, 1, 5, 29, 31, 61]))

    async def restart(self) -> None:
        """Nothing but the file tells the new process what time it was."""
        services = self.world.services
        await services.store.close()
        store = await app.open_store(self.file, role="serving")
        opened = await app.open_services(services.settings, store, MASTER, events=self.world.heard)
        self.world.services = dataclasses.replace(opened, passwords=self.world.passwords)
        self.world.asgi = app.create_app(self.world.services)
        # The new process knows of commits, not of what was merely answered since the last of them.
        self.last = self.committed

    async def set_back_while_off(self) -> None:
        """Somebody has used the server a moment before."""
        await self.use_an_assertion()
        self.step(timedelta(hours=-1))
        await self.restart()

    async def purge(self) -> None:
        """What protects single use is deleted by the same clock that ends it."""
        await self.world.services.store.purge(now=self.now(), limit=10_000)

    # ------------------------------------------------------------ what people and apps do

    async def issue(self) -> None:
        visitor = Visitor(self.world)
        self.codes[await visitor.code()] = self.note_commit()

    async def redeem(self) -> None:
        """Exactly while it has not ended and was not used; what was refused once is refused for ever."""
        if not self.codes:
            return
        code = self.random.choice(list(self.codes))
        before = self.now()
        answer = await self.world.http().post("/oauth/token", data=code_form(code), headers=basic("web"))
        is_alive = code not in self.dead and self.now() < self.codes[code] + CODE
        was_alive = code not in self.dead and before < self.codes[code] + CODE
        assert answer.status_code == 200 if is_alive else answer.status_code == 400 or was_alive, answer.text
        self.dead.add(code)
        if answer.status_code == 200:
            self.note_commit()

    async def use_an_assertion(self) -> None:
        digest = self.random.randbytes(32)
        assert await self.claim(digest, self.now() + CODE) == Claimed()
        self.assertions[digest] = self.note_commit() + CODE

    async def use_an_assertion_again(self) -> None:
        """As long as the flow would take it for young enough, the store knows that it was used."""
        young = [digest for digest, ends_at in self.assertions.items() if self.now() < ends_at]
        if young:
            digest = self.random.choice(young)
            assert await self.claim(digest, self.assertions[digest]) == AlreadyClaimed()

    async def claim(self, digest: bytes, ends_at: datetime) -> Claimed | AlreadyClaimed:
        attempt = Attempt(self.random.randbytes(16))
        return await self.world.services.store.assertion_ids.claim(
            digest, expires_at=ends_at, attempt=attempt
        )

    async def look_at_a_session(self) -> None:
        """Who was told that the session is over is never signed in by it again."""
        visitor = Visitor(self.world)
        await visitor.code()
        self.note_commit()
        cookies = dict(visitor.http.cookies)
        self.machine.wall += 4 * DAY
        self.machine.passed_s += 4 * DAY.total_seconds()
        for _ in range(2):
            visitor = Visitor(self.world)
            visitor.http.cookies.update(cookies)
            await visitor.authorize(prompt="none")
            assert visitor.answer()["error"] == "login_required"
            self.step(timedelta(hours=-1))
            await self.restart()


async def test_steps_of_an_hour_bring_nothing_back(
    tmp_path: Path, amount: Amount, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(amount(full=20, quick=3)):
        machine = Machine(START)
        machine.passed_s = 0.0
        monkeypatch.setattr(clocks, "time", machine)
        folder = tmp_path / str(seed)
        folder.mkdir()
        await Unsteady(folder, machine, seed).live(amount(full=300, quick=50))
