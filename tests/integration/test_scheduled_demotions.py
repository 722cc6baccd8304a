"""Scheduled demotions: one of several instances starts each run, and late if it was missed."""

import threading
from pathlib import Path

import pytest

from operations.commands.demo import prepare
from services.member_level.demotion.coordinator import DemotionCoordinator
from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.run import Run
from services.member_level.demotion.run_store import RunStore
from services.member_level.demotion.schedule import Schedule
from services.member_level.demotion.scheduler import DemotionScheduler
from services.member_level.demotion.worker import DemotionWorker
from services.rules.rule_book import RuleBook
from services.store.keys import DEMOTION_SLOT
from services.store.store import Store
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.levels import BUCKETS
from tests.support.member_calls import due, import_rows
from tests.support.service import running_service

pytestmark = pytest.mark.stores("valkey")

HOURLY = Schedule.parse("every 1h")


class Clock:
    """Two instances, each with its own clock."""

    def __init__(self, store: Store, schedule: Schedule) -> None:
        self.times = [0.0, 0.0]
        self.runs = RunStore(store)
        self._demotions = DemotionCoordinator(
            RunProgress(self.runs), RuleBook(store), NoWorker(), threading.Event()
        )
        self._scheduled = [
            DemotionScheduler(
                store,
                RuleBook(store),
                self._demotions,
                schedule,
                now=lambda n=n: self.times[n],  # type: ignore[misc]
            )
            for n in range(2)
        ]

    def started(self, *times: float) -> list[bool]:
        self.times = list(times)
        return [scheduled.start_if_due() for scheduled in self._scheduled]


class NoWorker(DemotionWorker):
    """Carries out nothing: the tests only check which instance starts a run."""

    def __init__(self) -> None:
        pass

    def wake(self) -> None:
        pass


@pytest.fixture
def clock(store: Store, address: str) -> Clock:
    prepare(address)
    store.delete(DEMOTION_SLOT)
    return Clock(store, HOURLY)


def test_one_instance_starts_each_run(clock: Clock) -> None:
    assert clock.started(7_300, 7_300) == [False, False]
    assert clock.started(10_799, 10_799) == [False, False]
    assert clock.started(10_800, 10_800) == [True, False]
    assert clock.started(10_801, 10_801) == [False, False]
    assert clock.started(14_399, 14_400) == [False, True]
    run = clock.runs.current()
    assert isinstance(run, Run)
    assert run.app == "schedule"


def test_a_slow_clock_does_not_start_a_run_again(clock: Clock) -> None:
    clock.started(7_300, 7_300)
    assert clock.started(10_800, 10_799) == [True, False]
    assert clock.started(10_801, 10_799.9) == [False, False]
    assert clock.started(10_802, 10_800) == [False, False]


def test_one_run_makes_up_for_all_that_were_missed(clock: Clock) -> None:
    clock.started(7_300, 7_300)
    assert clock.started(1_000_000, 1_000_000) == [True, False]
    assert clock.started(1_000_001, 1_000_001) == [False, False]


def test_a_new_schedule_starts_with_its_next_time(clock: Clock, store: Store) -> None:
    clock.started(7_300, 7_300)
    other = Clock(store, Schedule.parse("every 30m"))
    assert other.started(10_900, 10_900) == [False, False]
    assert other.started(12_600, 12_600) == [True, False]


def test_without_rules_there_is_nothing_to_demote(store: Store) -> None:
    store.set(DEMOTION_SLOT, "3600:0:1")
    assert Clock(store, HOURLY).started(10_800, 10_800) == [False, False]


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

        until(lambda: levels() == {1}, "the scheduled demotion")
