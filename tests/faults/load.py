"""Apps that go on working while servers die under them: they ask again, and everything is noted down.

Each *life* is one authorization from its code to its end: redeemed, sometimes twice at once; refreshed, sometimes
twice at once; looked at; given back or replayed. `tests/faults/judging.py` judges the history afterwards.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from innkeeper.server.protocol.tokens import refresh_token
from tests.caller import App, Browser, code_in
from tests.faults.history import History, Running
from tests.nodes import Site
from tests.wire import Answer, Unanswered, Unsent, Wire

AGAIN_AFTER_S: Final = 0.02
# Nothing in these suites is away for longer than a minute; a machine with other things to do is slow, though.
GIVE_UP_S: Final = 600.0
AWAY: Final = (503, 429)
DOCUMENTS: Final = ("/.well-known/openid-configuration", "/.well-known/jwks.json", "/healthz")
Request = Callable[[Wire], Awaitable[Answer]]
Work = Callable[[], Awaitable[None]]


def is_200(answer: Answer) -> bool:
    """What most endpoints answer when it has happened."""
    return answer.status == 200


def nothing(answer: Answer) -> Any:
    """An answer without a value."""
    return None


class Load:
    """What is asked goes to the `wires` in turn, as a balancer without stickiness would send it."""

    def __init__(self, site: Site, *wires: Wire, seed: int = 0) -> None:
        self.site = site
        self.history = History()
        # Not a secret: the same load again for the same seed, as far as two machines ever do the same.
        self.random = random.Random(seed)
        self.browser = Browser(site, wires[0])
        self.answers: Counter[int] = Counter()
        """By status."""
        self.unanswered = 0
        self.faults: list[str] = []
        """Answers that no server may give, whatever has happened to it."""
        self.documents = 0
        self._wires = wires
        self._turns = 0
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []
        self._since_ns = 0
        self._awaited_port: int | None = None
        self._served = asyncio.Event()

    async def start(self, *, lives: int, more: tuple[Work, ...] = ()) -> None:
        """Signs erin in and begins; `more` is done again and again beside the lives."""
        await self.browser.sign_in()
        self._tasks = [asyncio.create_task(self._keep_at(work)) for work in [self._live] * lives + [*more]]

    async def finish(self) -> None:
        """Every life is lived to its end."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def served_again(self, since_ns: int, port: int | None = None) -> float:
        """Seconds from this instant to the first success of a request that began after it, there or anywhere."""
        self._since_ns, self._awaited_port, self._served = since_ns, port, asyncio.Event()
        async with asyncio.timeout(GIVE_UP_S):
            await self._served.wait()
        return (time.monotonic_ns() - since_ns) / 1e9

    async def work_done(self, answers: int) -> None:
        """Returns when so many more requests were answered: a machine that is slow is given the time it needs."""
        wanted = self.answers.total() + answers
        async with asyncio.timeout(GIVE_UP_S):
            while self.answers.total() < wanted:
                await asyncio.sleep(0.001)

    async def read_documents(self) -> None:
        """Discovery and keys come from memory: whatever happens to the store, nobody waits for it."""
        for path in DOCUMENTS:
            try:
                status = (await self.next_wire().get(path)).status
            except (Unsent, Unanswered) as error:
                status = 0
                self.faults.append(f"{path}: {error!r}")
            if status != 200:
                self.faults.append(f"{path}: {status}")
            self.documents += 1
        await asyncio.sleep(AGAIN_AFTER_S)

    async def ask(
        self,
        request: Request,
        begin: Callable[[], Running] | None = None,
        *,
        is_ok: Callable[[Answer], bool] = is_200,
        got: Callable[[Answer], Any] = nothing,
    ) -> Answer:
        """Until there is a definite answer: what nobody answered, or answered with 503, comes again."""
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            noted = begin() if begin is not None else None
            answer = await self._ask_once(request, noted)
            if answer is not None and answer.status < 500 and answer.status not in AWAY:
                if noted is not None:
                    noted.ok(got(answer)) if is_ok(answer) else noted.refused()
                return answer
            await asyncio.sleep(AGAIN_AFTER_S)
        raise TimeoutError("never answered")

    def summary(self) -> str:
        """What was done and how it was answered, for whoever reads the output."""
        done = [operation for operation in self.history.operations if operation.outcome != "unsent"]
        outcomes = Counter((operation.action, operation.outcome) for operation in done)
        told = ", ".join(
            f"{action} {outcome} {count}" for (action, outcome), count in sorted(outcomes.items())
        )
        return f"{len(done)} operations on {len(self.history.by_key())} keys: {told}; answers {dict(self.answers)}"

    def next_wire(self) -> Wire:
        """Round robin."""
        self._turns += 1
        return self._wires[self._turns % len(self._wires)]

    async def _ask_once(self, request: Request, noted: Running | None) -> Answer | None:
        began_ns, wire = time.monotonic_ns(), self.next_wire()
        try:
            answer = await request(wire)
        except Unsent:
            if noted is not None:
                noted.unsent()
            return None
        except Unanswered:
            self.unanswered += 1
            if noted is not None:
                noted.unknown()
            return None
        self.answers[answer.status] += 1
        if answer.status >= 500 or answer.status in AWAY:
            self._look_at_failure(answer)
            if noted is not None:
                noted.unknown()
        elif answer.status < 400 and began_ns >= self._since_ns and self._awaited_port in (None, wire.port):
            self._served.set()
        return answer

    def _look_at_failure(self, answer: Answer) -> None:
        """A 500 is a bug; and whoever is told to come again is told when."""
        if answer.status not in AWAY or "retry-after" not in answer.headers:
            self.faults.append(f"{answer.status} {dict(answer.headers)} {answer.body!r}")

    async def _keep_at(self, work: Work) -> None:
        while not self._is_over:
            await work()

    async def _live(self) -> None:
        await Life(self, await self._a_code()).live()

    async def _a_code(self) -> str:
        """Asked for until there is one: an unanswered request may have left a code that nobody knows."""

        async def request(wire: Wire) -> Answer:
            self.browser.wire = wire
            return await self.browser.authorize()

        return code_in(await self.ask(request))


class Life:
    """One code and what comes of it."""

    def __init__(self, load: Load, code: str) -> None:
        self._load = load
        self._code = code
        self._tokens: dict[str, str] = {}

    async def live(self) -> None:
        """From the code to the end, and a look at what is left."""
        chance = self._load.random
        await self._maybe_twice(self._redeem, 0.1)
        if not self._tokens:
            return
        for _ in range(chance.randrange(6)):
            await self._maybe_twice(self._refresh, 0.15)
        await chance.choice((self._give_back, self._redeem, self._look))()
        await self._look()

    async def _maybe_twice(self, act: Work, probability: float) -> None:
        """At once, as two tabs do."""
        times = 2 if self._load.random.random() < probability else 1
        await asyncio.gather(*(act() for _ in range(times)))

    async def _redeem(self) -> None:
        """Also once more, later: somebody found the code in a log, and what came of it ends."""
        answer = await self._load.ask(
            lambda wire: self._web(wire).exchange(self._code), self._begin("redeem")
        )
        if answer.status == 200:
            self._tokens = answer.json

    async def _refresh(self) -> None:
        token = self._tokens["refresh_token"]
        answer = await self._load.ask(
            lambda wire: self._web(wire).refresh(token),
            self._begin("rotate", generation(token)),
            got=lambda answer: generation(answer.json["refresh_token"]),
        )
        if answer.status == 200:
            self._tokens = answer.json

    async def _give_back(self) -> None:
        """Nothing works afterwards."""
        token = self._tokens["refresh_token"]
        await self._load.ask(lambda wire: self._web(wire).revoke(token), self._begin("revoke"))
        await self._refresh()

    async def _look(self) -> None:
        """A guard asks about the access token."""
        token = self._tokens["access_token"]
        await self._load.ask(
            lambda wire: self._web(wire).introspect(token),
            self._begin("use"),
            is_ok=lambda answer: bool(answer.json["active"]),
        )

    def _web(self, wire: Wire) -> App:
        return App(self._load.site, wire)

    def _begin(self, action: str, sent: int | None = None) -> Callable[[], Running]:
        return lambda: self._load.history.begin("grant", self._code, action, sent=sent)


def generation(token: str) -> int:
    """As the token says it."""
    found = refresh_token.parse(token)
    assert found is not None
    return found[0].generation
