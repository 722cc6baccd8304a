"""Runs with a rate of their own, and runs that are stopped, by any instance and after a crash."""

from dataclasses import replace

import pytest

from operations.commands.demo import prepare
from services.member_level.demotion import worker as demotion_worker
from services.member_level.demotion.run import Run, RunState
from services.store import keys
from services.store.store import Store
from services.user_state.bulk import BATCH
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.following import Context, Following, Instance, earlier_run, listed, started
from tests.support.levels import BUCKETS, same_bucket

pytestmark = pytest.mark.stores("valkey")

# One step of a worker re-evaluates this many of them at most, and then waits to respect the rate.
NAMES = same_bucket(3 * BATCH)


@pytest.fixture
def instance(store: Store, address: str) -> Instance:
    prepare(address)
    return Instance(store)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demotion_worker, "_POLL_SECONDS", 0.02)


def write_due(instance: Instance) -> None:
    instance.bulk.write([Row(user, 600, 3) for user in NAMES], instance.rules.book().thresholds)


def ended(instance: Instance, name: str = "run") -> Run:
    until(lambda: instance.runs.ended(name) is not None, "the run ends")
    run = instance.runs.ended(name)
    assert run is not None
    return run


def demoted(store: Store) -> int:
    users = UserState(store, BUCKETS)
    records = [users.get(name) for name in NAMES]
    return sum(record is not None and record.level == 1 for record in records)


def test_a_run_waits_for_its_own_rate_until_another_instance_stops_it(
    instance: Instance, store: Store
) -> None:
    write_due(instance)
    started(instance, rate=1)
    with Instance(store).working():
        until(lambda: demoted(store) == BATCH, "the first step")
        asked = instance.runs.stop("run", "manager")
        assert asked is not None
        assert (asked.state, asked.stopped_by) == (RunState.RUNNING, "manager")
        run = ended(instance)
    assert (run.state, run.stopped_by, run.users) == (RunState.STOPPED, "manager", BATCH)
    assert run.started is not None
    assert run.ended is not None
    assert run.started <= run.ended
    # What was re-evaluated stays.
    assert demoted(store) == BATCH


@pytest.mark.parametrize(("service", "run"), [(1, None), (1, 100_000), (0, 1), (100_000, 1)])
def test_the_lower_rate_counts(
    instance: Instance,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    service: int,
    run: int | None,
) -> None:
    monkeypatch.setattr(instance.worker, "_rate", service)
    write_due(instance)
    started(instance, rate=run)
    saves: list[int] = []
    save = instance.runs.save_progress

    def save_and_note(worker: str, run: Run) -> Run | None:
        saves.append(run.users)
        return save(worker, run)

    monkeypatch.setattr(instance.runs, "save_progress", save_and_note)
    with instance.working():
        until(lambda: saves.count(BATCH) > 10, "it waits after its first step")
        assert demoted(store) == BATCH


def test_a_run_with_a_high_rate_reaches_its_end(instance: Instance, store: Store) -> None:
    write_due(instance)
    started(instance, rate=100_000)
    with instance.working():
        run = ended(instance)
    assert (run.state, run.users, run.rate) == (RunState.DONE, len(NAMES), 100_000)
    assert demoted(store) == len(NAMES)


def test_a_run_of_several_days_counts_all_its_members(instance: Instance) -> None:
    run = started(instance, rate=100_000)
    assert instance.runs.acquire_lease("worker")
    assert instance.runs.save_progress("worker", replace(run, users=1_000, bucket=1_024))
    instance.runs.release_lease("worker")
    # The buckets count nothing, as if their counts had expired.
    with instance.working():
        assert ended(instance).users == 1_000


def test_a_run_that_was_stopped_after_its_worker_crashed_is_ended_by_the_next_one(
    store: Store, address: str
) -> None:
    prepare(address)
    crashed = Instance(store, 300)
    write_due(crashed)
    run = started(crashed)
    assert crashed.runs.acquire_lease("crashed")
    assert crashed.runs.save_progress("crashed", replace(run, bucket=10))
    assert crashed.runs.stop("run", "manager") is not None
    successor = Instance(store, 300)
    with successor.working():
        stopped = ended(successor)
    assert (stopped.state, stopped.stopped_by, stopped.users) == (RunState.STOPPED, "manager", 0)
    assert demoted(store) == 0
    # The worker that was taken for dead cannot change the end.
    assert crashed.runs.save_progress("crashed", run) is None
    assert crashed.runs.finish("crashed", replace(run, state=RunState.DONE)) is None
    assert listed(store) == ["run"]


def test_who_asked_first_stopped_the_run(instance: Instance) -> None:
    started(instance)
    for app in ("first", "second"):
        run = instance.runs.stop("run", app)
        assert run is not None
        assert run.stopped_by == "first"


def test_a_late_request_does_not_stop_the_run_after_it(instance: Instance, store: Store) -> None:
    write_due(instance)
    started(instance, "first")
    with instance.working():
        ended(instance, "first")
        before = store.get(keys.DEMOTION_DETAILS)
        late = instance.runs.stop("first", "manager")
        assert late is not None
        assert (late.state, late.stopped_by) == (RunState.DONE, None)
        assert store.get(keys.DEMOTION_DETAILS) == before
        started(instance, "second")
        assert instance.runs.stop("first", "manager") is not None
        assert ended(instance, "second").state is RunState.DONE
    assert instance.runs.stop("unknown", "manager") is None


def test_a_request_that_meets_the_start_of_another_run_does_not_stop_that_run(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends, and another one starts, between the reads and the write of the request."""
    first = started(instance, "first")
    read = instance.runs.current
    later: list[str] = ["second"]

    def read_and_go_on() -> Run | None:
        run = read()
        if later:
            assert instance.runs.acquire_lease("worker")
            assert instance.runs.finish("worker", replace(first, state=RunState.DONE))
            started(instance, later.pop())
        return run

    monkeypatch.setattr(instance.runs, "current", read_and_go_on)
    answer = instance.runs.stop("first", "manager")
    assert answer is not None
    assert answer.state is RunState.DONE
    run = read()
    assert run is not None
    assert (run.id, run.stopped_by) == ("second", None)


def test_a_call_that_follows_does_not_start_again_what_an_app_stopped(
    instance: Instance, store: Store
) -> None:
    write_due(instance)
    run = started(instance, rate=1)
    follower = instance.demotions.follower(Context())
    following = Following(instance, run, follower)
    with instance.working():
        until(lambda: demoted(store) == BATCH, "the first step")
        instance.runs.stop("run", "manager")
        instance.demotions.run_to_completion("app", follower)
        assert following.ended()
    assert following.states[-1] is RunState.STOPPED
    assert listed(store) == ["run"]


def test_a_run_of_the_release_before_continues_and_can_be_stopped(
    instance: Instance, store: Store
) -> None:
    write_due(instance)
    store.set(keys.DEMOTION, earlier_run(rule_version=instance.rules.book().version))
    with instance.working():
        run = ended(instance, "old")
    assert (run.state, run.users, run.started) == (RunState.DONE, len(NAMES), None)
    store.set(keys.DEMOTION, earlier_run(id="older"))
    assert instance.runs.stop("older", "manager") is not None
    with Instance(store).working():
        assert ended(instance, "older").stopped_by == "manager"
