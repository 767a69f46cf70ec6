"""Any sequence of refreshes, retries, replays, narrowings, revocations and restarts keeps the promises of rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import httpx2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from innkeeper.server import app
from tests.attacks.token_requests import tables
from tests.refreshing import a_refreshing_world, families, may_refresh, refresh, revoke, signed_in
from tests.world import MASTER, PAYROLL, TIMESHEETS, World

T = TypeVar("T")
OVERLAP, IDLE, ABSOLUTE = timedelta(seconds=10), timedelta(hours=2), timedelta(hours=3)
SCOPES = ("read:timesheets", "create:timesheets", "offline_access")
WIDER = ("delete:timesheets", "openid", "read:timesheets approve:timesheets")


class Refreshing(RuleBasedStateMachine):
    """One family, the tokens it has given, and what has to be true of them. It asks no openid: quicker."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world: World = self.run(a_refreshing_world())
        self.run(may_refresh(self.world, "web", overlap=OVERLAP, idle=IDLE, absolute=ABSOLUTE))
        self.is_alive = True
        self.retries = 0

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        self.loop.close()

    @initialize()
    def begin(self) -> None:
        answer = self.run(signed_in(self.world, audience=TIMESHEETS, scope=" ".join(SCOPES)))
        self.given = [answer["refresh_token"]]
        self.began_at = self.used_at = self.world.clock.now()
        self.ends_at = self.began_at + ABSOLUTE

    @property
    def is_over(self) -> bool:
        return self.world.clock.now() >= min(self.used_at + IDLE, self.ends_at)

    @property
    def is_soon(self) -> bool:
        """Inside the overlap."""
        return self.world.clock.now() - self.used_at < OVERLAP

    @property
    def is_forgiven(self) -> bool:
        """A retry of the token before the living one, soon enough and not too often."""
        return self.is_soon and self.retries < 20

    def use(self, token: str, **changes: str) -> httpx2.Response:
        return self.run(refresh(self.world, token, **changes))

    # -------------------------------------------------------- a client that follows the rules

    @rule(scope=st.none() | st.lists(st.sampled_from(SCOPES), min_size=1, unique=True))
    def refresh_with_the_living_token(self, scope: list[str] | None) -> None:
        answer = self.use(self.given[-1], **({} if scope is None else {"scope": " ".join(scope)}))
        if not self.is_alive or self.is_over:
            assert answer.json()["error"] == "invalid_grant"
            return
        assert answer.status_code == 200, "a client that followed the rules was signed out"
        tokens = answer.json()
        assert set(tokens["scope"].split()) == set(scope or SCOPES)
        assert tokens["refresh_token"] not in self.given
        self.given.append(tokens["refresh_token"])
        self.used_at, self.retries = self.world.clock.now(), 0

    @precondition(lambda self: len(self.given) > 1)
    @rule()
    def retry_the_token_before(self) -> None:
        answer = self.use(self.given[-2])
        if self.is_alive and not self.is_over and self.is_forgiven:
            assert answer.json()["refresh_token"] == self.given[-1]
            self.retries += 1
            return
        assert answer.json()["error"] == "invalid_grant"
        # Soon but too often is no sign of theft.
        self.is_alive = self.is_alive and (self.is_over or self.is_soon)

    # -------------------------------------------------------- everybody else

    @precondition(lambda self: len(self.given) > 2)
    @rule(data=st.data())
    def replay_an_older_one(self, data: st.DataObject) -> None:
        answer = self.use(data.draw(st.sampled_from(self.given[:-2])))
        assert answer.json()["error"] == "invalid_grant"
        self.is_alive = self.is_alive and self.is_over

    @rule(scope=st.sampled_from(WIDER), data=st.data())
    def ask_for_more(self, scope: str, data: st.DataObject) -> None:
        assert self.use(data.draw(st.sampled_from(self.given)), scope=scope).status_code == 400

    @rule(data=st.data())
    def ask_for_another_api(self, data: st.DataObject) -> None:
        assert self.use(data.draw(st.sampled_from(self.given)), resource=PAYROLL).status_code == 400

    @rule(data=st.data())
    def use_it_as_another_app(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.given))
        assert self.run(refresh(self.world, token, "other")).json()["error"] == "invalid_grant"
        assert self.run(revoke(self.world, token, "other")).status_code == 200

    @precondition(lambda self: self.is_alive)
    @rule(data=st.data(), really=st.sampled_from([True, False, False, False]))
    def give_it_back(self, data: st.DataObject, really: bool) -> None:
        if really:
            token = data.draw(st.sampled_from(self.given))
            assert self.run(revoke(self.world, token)).status_code == 200
            self.is_alive = False

    # -------------------------------------------------------- the world

    @rule(seconds=st.sampled_from([1, 9, 10, 11, 600, 3600, 7199, 7200]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)

    @rule()
    def the_answer_of_the_store_is_lost(self) -> None:
        self.world.services.store.lose_next_answer()  # type: ignore[attr-defined]

    @rule()
    def the_server_restarts(self) -> None:
        world = self.world
        world.services = self.run(
            app.open_services(
                world.services.settings, world.services.store, MASTER, clock=world.clock, events=world.heard
            )
        )
        world.asgi = app.create_app(world.services)

    # -------------------------------------------------------- promises

    @invariant()
    def there_is_one_row_with_one_living_generation(self) -> None:
        if not hasattr(self, "given"):
            return
        [family] = families(self.world)
        assert family.generation == len(self.given) - 1
        assert family.absolute_expires_at == self.ends_at
        assert family.idle_expires_at <= self.ends_at
        grant = tables(self.world).grants[family.grant_id]
        assert (grant.revoked_at is None) == self.is_alive
        assert len(set(self.given)) == len(self.given)


TestRefreshing = Refreshing.TestCase
TestRefreshing.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
