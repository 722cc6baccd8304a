"""The demotion objects of one instance without its server, and calls that follow a run."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.member_level.demotion.coordinator import DemotionCoordinator, Follower
from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.run import Run, RunState
from services.member_level.demotion.run_store import ENDED_KEPT, LEASE_MILLISECONDS, RunStore
from services.member_level.demotion.worker import DemotionWorker
from services.member_level.servicer import MemberLevel
from services.rules.rule_book import RuleBook
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.levels import BUCKETS


class Context:
    """A call's context, whose caller leaves when the test says so."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []
        self._is_active = True

    def is_active(self) -> bool:
        return self._is_active

    def time_remaining(self) -> float | None:
        return None

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self._callbacks.append(callback)
        return self._is_active

    def leave(self) -> None:
        self._is_active = False
        for callback in self._callbacks:
            callback()


class CountingRunStore(RunStore):
    """Counts the reads of the run's state from the store."""

    reads = 0

    def current(self) -> Run | None:
        self.reads += 1
        return super().current()


class Instance:
    """The demotion objects of one instance of the service."""

    def __init__(self, store: Store, lease_milliseconds: int = LEASE_MILLISECONDS) -> None:
        self.store = store
        self.bulk = BulkUsers(store, BUCKETS)
        self.rules = RuleBook(store)
        self.runs = CountingRunStore(store, lease_milliseconds)
        self.progress = RunProgress(self.runs)
        self.stopping = threading.Event()
        self.worker = DemotionWorker(
            self.bulk, self.progress, self.rules, rate=0, stopping=self.stopping
        )
        self.demotions = DemotionCoordinator(self.progress, self.rules, self.worker, self.stopping)

    def members(self) -> MemberLevel:
        users = UserState(self.store, BUCKETS)
        return MemberLevel(users, self.bulk, self.rules, self.demotions, manual_level_days=1)

    def start_run(self, name: str = "run") -> Run:
        return self.demotions.start(Run(name, "app", self.rules.book().version))

    @contextmanager
    def working(self) -> Iterator[None]:
        self.worker.start()
        try:
            yield
        finally:
            self.stopping.set()
            self.worker.join(20)


class Following:
    """A thread that follows a run to its end, and the states it has seen."""

    def __init__(self, instance: Instance, run: Run, follower: Follower) -> None:
        self.states: list[RunState] = []
        self._arguments = (instance, run, follower)
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()
        until(lambda: self.states, "it follows")

    def _follow(self) -> None:
        instance, run, follower = self._arguments
        for state in instance.demotions.follow(run, follower):
            self.states.append(state.state)

    def ended(self) -> bool:
        self.thread.join(10)
        return not self.thread.is_alive()


def earlier_run(**fields: object) -> str:
    """The document of a run as the release before wrote it."""
    run = {"id": "old", "app": "x", "rule_version": 1, "state": "running", "bucket": 0}
    return json.dumps({**run, "rounds": 0, "is_more": False, "users": 0, **fields})


def started(instance: Instance, name: str = "run", rate: int | None = None) -> Run:
    return instance.demotions.start(Run(name, "app", instance.rules.book().version, rate=rate))


def listed(store: Store) -> list[str]:
    """The ids of all runs that are retained."""
    return [run.id for run in RunStore(store).runs(ENDED_KEPT + 1)]
