"""Any sequence of refreshes, retries, replays, narrowings, revocations and restarts keeps the promises of rotation."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from innkeeper.server import app
from innkeeper.server.model.identifiers import Subject
from innkeeper.server.storage.interface import Store
from tests.refreshing import a_refreshing_world, may_refresh, refresh, revoke, signed_in
from tests.world import MASTER, PAYROLL, TIMESHEETS, World

T = TypeVar("T")
OVERLAP, IDLE, ABSOLUTE = timedelta(seconds=10), timedelta(hours=2), timedelta(hours=3)
SCOPES = ("read:timesheets", "create:timesheets", "offline_access")
WIDER = ("delete:timesheets", "openid", "read:timesheets approve:timesheets")
MOST_SIGN_INS = 3


@dataclasses.dataclass
class Family:
    """One sign-in: the tokens it has given, oldest first, and what has to be true of them."""

    given: list[str]
    used_at: datetime
    ends_at: datetime
    is_alive: bool = True
    retries: int = 0


class Refreshing(RuleBasedStateMachine):
    """A few sign-ins of one person with one app. They ask no openid: quicker."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world: World = self.run(a_refreshing_world(store=self.run(self.opened())))
        self.run(may_refresh(self.world, "web", overlap=OVERLAP, idle=IDLE, absolute=ABSOLUTE))
        self.families: list[Family] = []

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        self.run(self.world.services.store.close())
        self.loop.close()

    async def opened(self) -> Store | None:
        """None: the world brings its own, in memory."""
        return None

    async def reopened(self) -> Store:
        """What a server finds that starts again. Memory is handed on."""
        return self.world.services.store

    @initialize()
    def begin(self) -> None:
        self.sign_in()

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def is_over(self, family: Family) -> bool:
        return self.now >= min(family.used_at + IDLE, family.ends_at)

    def is_good(self, family: Family) -> bool:
        return family.is_alive and not self.is_over(family)

    def is_soon(self, family: Family) -> bool:
        """Inside the overlap."""
        return self.now - family.used_at < OVERLAP

    def use(self, token: str, **changes: str) -> httpx2.Response:
        return self.run(refresh(self.world, token, **changes))

    def choose(self, data: st.DataObject, shortest: int = 1) -> Family:
        """One that has given so many tokens; the first when there is none."""
        found = [family for family in self.families if len(family.given) >= shortest]
        return data.draw(st.sampled_from(found or self.families[:1]))

    # -------------------------------------------------------- a client that follows the rules

    @precondition(lambda self: len(self.families) < MOST_SIGN_INS)
    @rule()
    def sign_in(self) -> None:
        answer = self.run(signed_in(self.world, audience=TIMESHEETS, scope=" ".join(SCOPES)))
        self.families.append(Family([answer["refresh_token"]], self.now, self.now + ABSOLUTE))

    @rule(data=st.data(), scope=st.none() | st.lists(st.sampled_from(SCOPES), min_size=1, unique=True))
    def refresh_with_the_living_token(self, data: st.DataObject, scope: list[str] | None) -> None:
        family = self.choose(data)
        answer = self.use(family.given[-1], **({} if scope is None else {"scope": " ".join(scope)}))
        if not self.is_good(family):
            assert answer.json()["error"] == "invalid_grant"
            return
        assert answer.status_code == 200, "a client that followed the rules was signed out"
        assert set(answer.json()["scope"].split()) == set(scope or SCOPES)
        self.moved(family, answer.json()["refresh_token"])

    @rule(data=st.data(), tabs=st.integers(2, 4))
    def refresh_in_several_tabs_at_once(self, data: st.DataObject, tabs: int) -> None:
        family = self.choose(data)
        token = family.given[-1]

        async def at_once() -> list[httpx2.Response]:
            return await asyncio.gather(*(refresh(self.world, token) for _ in range(tabs)))

        answers = self.run(at_once())
        if not self.is_good(family):
            assert {answer.json()["error"] for answer in answers} == {"invalid_grant"}
            return
        assert {answer.status_code for answer in answers} == {200}, "two tabs signed somebody out"
        [token] = {answer.json()["refresh_token"] for answer in answers}
        self.moved(family, token)
        family.retries = tabs - 1

    def moved(self, family: Family, token: str) -> None:
        assert token not in family.given
        family.given.append(token)
        family.used_at, family.retries = self.now, 0

    @precondition(lambda self: any(len(family.given) > 1 for family in self.families))
    @rule(data=st.data())
    def retry_the_token_before(self, data: st.DataObject) -> None:
        family = self.choose(data, 2)
        answer = self.use(family.given[-2])
        if self.is_good(family) and self.is_soon(family) and family.retries < 20:
            assert answer.json()["refresh_token"] == family.given[-1]
            family.retries += 1
            return
        assert answer.json()["error"] == "invalid_grant"
        # Soon but too often is no sign of theft.
        if self.is_good(family) and not self.is_soon(family):
            family.is_alive = False

    # -------------------------------------------------------- everybody else

    @precondition(lambda self: any(len(family.given) > 2 for family in self.families))
    @rule(data=st.data())
    def replay_an_older_one(self, data: st.DataObject) -> None:
        family = self.choose(data, 3)
        answer = self.use(data.draw(st.sampled_from(family.given[:-2])))
        assert answer.json()["error"] == "invalid_grant"
        if self.is_good(family):
            family.is_alive = False

    @rule(scope=st.sampled_from(WIDER), data=st.data())
    def ask_for_more(self, scope: str, data: st.DataObject) -> None:
        assert self.use(self.any_token(data), scope=scope).status_code == 400

    @rule(data=st.data())
    def ask_for_another_api(self, data: st.DataObject) -> None:
        assert self.use(self.any_token(data), resource=PAYROLL).status_code == 400

    @rule(data=st.data())
    def use_it_as_another_app(self, data: st.DataObject) -> None:
        token = self.any_token(data)
        assert self.run(refresh(self.world, token, "other")).json()["error"] == "invalid_grant"
        assert self.run(revoke(self.world, token, "other")).status_code == 200

    def any_token(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.choose(data).given))

    @rule(data=st.data(), really=st.sampled_from([True, False, False, False]))
    def give_it_back(self, data: st.DataObject, really: bool) -> None:
        if really:
            family = self.choose(data)
            token = data.draw(st.sampled_from(family.given))
            assert self.run(revoke(self.world, token)).status_code == 200
            family.is_alive = False

    # -------------------------------------------------------- the world

    @rule(seconds=st.sampled_from([1, 9, 10, 11, 600, 3600, 7199, 7200]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)

    @rule()
    def the_answer_of_the_store_is_lost(self) -> None:
        self.world.services.store.lose_next_answer()  # type: ignore[attr-defined]

    @rule()
    def the_server_restarts(self) -> None:
        self.run(self.restart())

    async def restart(self) -> None:
        world = self.world
        store = await self.reopened()
        services = await app.open_services(
            world.services.settings, store, MASTER, clock=world.clock, events=world.heard
        )
        world.services = dataclasses.replace(services, passwords=world.passwords)
        world.asgi = app.create_app(world.services)

    # -------------------------------------------------------- promises

    @invariant()
    def every_family_is_one_row_with_one_living_generation(self) -> None:
        self.run(self.check())

    async def check(self) -> None:
        store = self.world.services.store
        rows = await store.refresh_families.of(Subject("ik|erin"))
        assert len(rows) == len(self.families)
        shown = [
            (row.generation, row.absolute_expires_at, await self.is_revoked(row.grant_id)) for row in rows
        ]
        known = [(len(family.given) - 1, family.ends_at, not family.is_alive) for family in self.families]
        assert sorted(shown) == sorted(known)
        assert all(row.idle_expires_at <= row.absolute_expires_at for row in rows)
        given = [token for family in self.families for token in family.given]
        assert len(set(given)) == len(given)

    async def is_revoked(self, grant_id: Any) -> bool:
        standing = await self.world.services.store.grants.standing(grant_id)
        assert standing is not None
        return standing.grant.revoked_at is not None


class RefreshingOnDisk(Refreshing):
    """The same on SQLite: a restart closes the file and reads everything anew."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        super().__init__()

    async def opened(self) -> Store | None:
        return await app.open_store(Path(self.folder.name) / "refresh.sqlite", role="serving")

    async def reopened(self) -> Store:
        await self.world.services.store.close()
        store = await self.opened()
        assert store is not None
        return store

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestRefreshing = Refreshing.TestCase
TestRefreshing.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestRefreshingOnDisk = RefreshingOnDisk.TestCase
TestRefreshingOnDisk.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
