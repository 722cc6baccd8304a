"""Demotions by the clock: begun once, by one of several instances, and made up for if missed."""

import threading
from pathlib import Path

import pytest

from operations.commands.demo import prepare
from services.member_level.demotion.driver import DemotionDriver
from services.member_level.demotion.following import Demotions
from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.runs import DemotionRuns, Run
from services.member_level.demotion.schedule import Schedule
from services.member_level.demotion.scheduler import ScheduledDemotions
from services.rules.rule_book import RuleBook
from services.store.keys import DEMOTION_SLOT
from services.store.store import Store
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.levels import BUCKETS
from tests.support.member_calls import due, import_rows
from tests.support.service import running_service

HOURLY = Schedule.parse("every 1h")


class Clock:
    """Two instances with a clock each."""

    def __init__(self, store: Store, schedule: Schedule) -> None:
        self.times = [0.0, 0.0]
        self.runs = DemotionRuns(store)
        self._demotions = Demotions(
            RunProgress(self.runs), RuleBook(store), NoDriver(), threading.Event()
        )
        self._scheduled = [
            ScheduledDemotions(
                store,
                RuleBook(store),
                self._demotions,
                schedule,
                now=lambda n=n: self.times[n],  # type: ignore[misc]
            )
            for n in range(2)
        ]

    def begun(self, *times: float) -> list[bool]:
        self.times = list(times)
        return [scheduled.begin_if_due() for scheduled in self._scheduled]


class NoDriver(DemotionDriver):
    """Nobody drives here: what is looked at is who begins."""

    def __init__(self) -> None:
        pass

    def wake(self) -> None:
        pass


@pytest.fixture
def clock(store: Store, address: str) -> Clock:
    prepare(address)
    store.delete(DEMOTION_SLOT)
    return Clock(store, HOURLY)


def test_one_instance_begins_a_run_each_time(clock: Clock) -> None:
    assert clock.begun(7_300, 7_300) == [False, False]
    assert clock.begun(10_799, 10_799) == [False, False]
    assert clock.begun(10_800, 10_800) == [True, False]
    assert clock.begun(10_801, 10_801) == [False, False]
    assert clock.begun(14_399, 14_400) == [False, True]
    run = clock.runs.current()
    assert isinstance(run, Run)
    assert run.app == "schedule"


def test_a_clock_that_is_behind_begins_nothing_again(clock: Clock) -> None:
    clock.begun(7_300, 7_300)
    assert clock.begun(10_800, 10_799) == [True, False]
    assert clock.begun(10_801, 10_799.9) == [False, False]
    assert clock.begun(10_802, 10_800) == [False, False]


def test_runs_that_were_missed_are_made_up_for_by_one(clock: Clock) -> None:
    clock.begun(7_300, 7_300)
    assert clock.begun(1_000_000, 1_000_000) == [True, False]
    assert clock.begun(1_000_001, 1_000_001) == [False, False]


def test_another_schedule_begins_with_its_next_time(clock: Clock, store: Store) -> None:
    clock.begun(7_300, 7_300)
    other = Clock(store, Schedule.parse("every 30m"))
    assert other.begun(10_900, 10_900) == [False, False]
    assert other.begun(12_600, 12_600) == [True, False]


def test_without_rules_there_is_nothing_to_demote(store: Store) -> None:
    store.set(DEMOTION_SLOT, "3600:0:1")
    assert Clock(store, HOURLY).begun(10_800, 10_800) == [False, False]


def test_a_service_demotes_by_itself(address: str, store: Store, tmp_path: Path) -> None:
    demo = prepare(address)
    settings = {"MEMBER_LEVEL_DEMOTION_SCHEDULE": "every 1s"}
    with running_service(address, tmp_path / "log", **settings) as service:
        service.token = demo.token
        service.wait_for("SERVING")
        import_rows(service, due(20))
        users = UserState(store, BUCKETS)

        def levels() -> set[int | None]:
            records = (users.get(f"due-{n}") for n in range(20))
            return {None if record is None else record.level for record in records}

        until(lambda: levels() == {1}, "demoted without being asked")
