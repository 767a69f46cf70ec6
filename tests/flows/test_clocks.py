"""Clocks go on, whatever the clock does that they follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from innkeeper.server.flows import clocks
from innkeeper.server.flows.clocks import BELIEVED_FOR_S, WRITTEN, DatabaseClock, SystemClock, is_believable
from innkeeper.server.storage.outcomes import StoreUnavailable
from tests.machine import NOON, Machine

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(clocks, "time", machine)
    return machine


def about(instant: datetime) -> object:
    """To the microsecond, which floating point cannot always keep."""
    return pytest.approx(instant.timestamp(), abs=2e-6)


# ------------------------------------------------------------ the machine's clock


def test_it_follows_the_machine(machine: Machine) -> None:
    clock = SystemClock()
    for _ in range(5):
        machine.wait(7.5)
        assert clock.now().timestamp() == about(machine.wall)


def test_a_step_forward_is_followed_at_once(machine: Machine) -> None:
    clock = SystemClock()
    clock.now()
    machine.wall += HOUR
    assert clock.now().timestamp() == about(NOON + HOUR)


def test_a_step_back_is_not_followed(machine: Machine) -> None:
    clock = SystemClock()
    assert clock.now().timestamp() == about(NOON)
    machine.wall -= HOUR
    assert clock.now().timestamp() == about(NOON)
    machine.wait(10)
    assert clock.now().timestamp() == about(NOON + timedelta(seconds=5))


def test_while_it_is_ahead_time_passes_at_half_speed_until_the_machine_has_caught_up(
    machine: Machine,
) -> None:
    clock = SystemClock()
    clock.now()
    machine.wall -= HOUR
    before = clock.now()
    for _ in range(7199):
        machine.wait(1)
        now = clock.now()
        assert before < now <= before + SECOND
        assert now > machine.wall
        before = now
    machine.wait(2)
    assert clock.now().timestamp() == about(machine.wall)


def test_there_and_back_again_never_goes_back(machine: Machine) -> None:
    clock = SystemClock()
    before = clock.now()
    for step in (HOUR, -HOUR, -HOUR, 60 * SECOND, HOUR, -60 * SECOND, 2 * HOUR, -3 * HOUR):
        machine.wall += step
        for _ in range(30):
            machine.wait(0.25)
            now = clock.now()
            assert now > before
            before = now


def test_it_starts_no_earlier_than_the_last_commit(machine: Machine) -> None:
    clock = SystemClock(NOON + HOUR)
    assert clock.now().timestamp() == about(NOON + HOUR)
    machine.wait(2)
    assert clock.now().timestamp() == about(NOON + HOUR + SECOND)
    clock.check()


def test_a_last_commit_in_the_past_changes_nothing(machine: Machine) -> None:
    assert SystemClock(NOON - HOUR).now().timestamp() == about(NOON)


def test_a_clock_that_must_be_wrong_is_not_believed() -> None:
    assert is_believable(NOON, None)
    assert is_believable(NOON, NOON + timedelta(days=1))
    assert not is_believable(NOON, NOON + timedelta(days=1, seconds=1))
    assert not is_believable(datetime(1970, 1, 1, tzinfo=UTC), None)
    assert is_believable(WRITTEN, WRITTEN)


# ------------------------------------------------------------ the database's clock


class Database:
    """Its clock, and how long question and answer are under way."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ahead = timedelta(0)
        self.there_s = self.back_s = 0.0
        self.asked = 0
        self.is_away = False

    async def ask(self) -> datetime:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        self.machine.passed_s += self.there_s
        answer = self.truth
        self.machine.passed_s += self.back_s
        return answer

    @property
    def truth(self) -> datetime:
        return NOON + timedelta(seconds=self.machine.passed_s - 500.0) + self.ahead


@pytest.fixture
def database(machine: Machine) -> Database:
    return Database(machine)


async def test_what_the_machine_says_does_not_matter(machine: Machine, database: Database) -> None:
    machine.wall -= 5 * HOUR
    clock = DatabaseClock(database.ask)
    await clock.measure()
    assert clock.now().timestamp() == about(database.truth)
    machine.wall += 9 * HOUR
    machine.wait(100)
    assert clock.now().timestamp() == about(database.truth)


async def test_before_the_first_measurement_nobody_knows_the_time(database: Database) -> None:
    clock = DatabaseClock(database.ask)
    with pytest.raises(StoreUnavailable):
        clock.check()
    with pytest.raises(StoreUnavailable):
        clock.now()


async def test_it_is_wrong_by_no_more_than_the_way_there_and_back(database: Database) -> None:
    clock = DatabaseClock(database.ask)
    for there_s, back_s in ((0.0, 0.2), (0.2, 0.0), (0.05, 0.05), (0.3, 0.01)):
        database.there_s, database.back_s = there_s, back_s
        await clock.measure()
        assert abs(clock.now() - database.truth) <= timedelta(seconds=there_s + back_s, microseconds=5)


async def test_a_good_measurement_is_not_spoilt_by_a_worse_one(database: Database) -> None:
    clock = DatabaseClock(database.ask)
    await clock.measure()
    database.back_s = 0.9
    await clock.measure()
    assert clock.now().timestamp() == about(database.truth)


async def test_an_answer_that_took_too_long_is_asked_for_again(database: Database) -> None:
    clock = DatabaseClock(database.ask)
    database.back_s = 1.5
    with pytest.raises(StoreUnavailable):
        await clock.measure()
    assert database.asked == 3
    with pytest.raises(StoreUnavailable):
        clock.now()


async def test_a_node_that_cannot_measure_is_not_ready_after_a_while(
    machine: Machine, database: Database
) -> None:
    clock = DatabaseClock(database.ask)
    await clock.measure()
    database.is_away = True
    machine.wait(BELIEVED_FOR_S)
    with pytest.raises(StoreUnavailable):
        await clock.measure()
    clock.check()
    machine.wait(1)
    with pytest.raises(StoreUnavailable):
        clock.check()
    assert clock.now().timestamp() == about(database.truth)
    database.is_away = False
    await clock.measure()
    clock.check()


async def test_a_database_whose_clock_was_set_back_is_waited_for(
    machine: Machine, database: Database
) -> None:
    clock = DatabaseClock(database.ask)
    await clock.measure()
    before = clock.now()
    database.ahead = -HOUR
    await clock.measure()
    assert clock.now().timestamp() == about(before)
    machine.wait(10)
    await clock.measure()
    assert clock.now().timestamp() == about(before + 5 * SECOND)
    machine.wait(7200)
    assert clock.now().timestamp() == about(database.truth)


async def test_a_database_whose_clock_was_set_forward_is_followed(database: Database) -> None:
    clock = DatabaseClock(database.ask)
    await clock.measure()
    database.ahead = HOUR
    await clock.measure()
    assert clock.now().timestamp() == about(database.truth)


async def test_sixty_seconds_between_two_machines_are_nothing_between_two_nodes(
    monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    one, two = DatabaseClock(database.ask), DatabaseClock(database.ask)
    machine = database.machine
    await one.measure()
    machine.wall += timedelta(seconds=60)
    await two.measure()
    assert abs(one.now() - two.now()) < timedelta(milliseconds=1)
