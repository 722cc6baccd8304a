"""Demotion workers without their service: a run reaches its end, and only one of them writes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from operations.commands.demo import prepare
from services.member_level.demotion import worker as demotion_worker
from services.member_level.demotion.messages import progress_message, run_message
from services.member_level.demotion.run import Run, RunState
from services.store import keys
from services.store.store import Store
from services.user_state.bulk import BATCH
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.following import Instance
from tests.support.levels import BUCKETS, same_bucket

pytestmark = pytest.mark.stores("valkey")


@pytest.fixture
def instance(store: Store, address: str) -> Instance:
    prepare(address)
    return Instance(store)


class Pause:
    """Blocks the first call of a method until the test ends the pause."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self._method: Callable[..., Any] = getattr(owner, name)
        self._reached, self._over = threading.Event(), threading.Event()
        monkeypatch.setattr(owner, name, self._call)

    def _call(self, *arguments: Any, **options: Any) -> Any:
        answer = None if self._reached.is_set() else self._method(*arguments, **options)
        if not self._reached.is_set():
            self._reached.set()
            self._over.wait(20)
            return answer
        return self._method(*arguments, **options)

    def wait(self) -> None:
        assert self._reached.wait(20)

    def end(self) -> None:
        self._over.set()


def write_due(instance: Instance, users: list[str], level: int = 3) -> None:
    instance.bulk.write([Row(user, 600, level) for user in users], instance.rules.book().thresholds)


def levels(store: Store, names: list[str]) -> set[int | None]:
    users = UserState(store, BUCKETS)
    return {None if record is None else record.level for record in map(users.get, names)}


def wait_until_ended(instance: Instance) -> Run:
    def ended() -> bool:
        run = instance.runs.current()
        return run is not None and run.state is not RunState.RUNNING

    until(ended, "the run ends")
    run = instance.runs.current()
    assert run is not None
    return run


@contextmanager
def released(monkeypatch: pytest.MonkeyPatch, instance: Instance) -> Iterator[threading.Event]:
    """Yields an event that is set once the instance has released its lease."""
    stopped, release = threading.Event(), instance.runs.release_lease

    def release_and_note(worker: str) -> None:
        release(worker)
        stopped.set()

    monkeypatch.setattr(instance.runs, "release_lease", release_and_note)
    yield stopped


@pytest.mark.stores("valkey", "cluster")
def test_a_bucket_with_more_members_than_a_step_processes_is_processed_again(
    instance: Instance, store: Store
) -> None:
    names = same_bucket(2 * BATCH + 5)
    write_due(instance, names)
    instance.start_run()
    with instance.working():
        run = wait_until_ended(instance)
    assert (run.state, run.users, run.rounds) == (RunState.DONE, len(names), 2)
    assert levels(store, names) == {1}


@pytest.mark.parametrize(
    ("bucket", "rounds", "state", "percent", "processed"),
    [
        (512, 0, RunState.RUNNING, 50, 50),
        (1_024, 0, RunState.RUNNING, 99, 99),  # it has not ended yet
        (10, 1, RunState.RUNNING, 99, 99),  # the next round does not go back
        (512, 0, RunState.STOPPED, 100, 50),
        (1_024, 0, RunState.DONE, 100, 100),
    ],
)
def test_how_far_a_run_has_come(
    bucket: int, rounds: int, state: RunState, percent: int, processed: int
) -> None:
    run = Run("run", "app", 1, state, bucket, rounds)
    assert progress_message(run, BUCKETS).percent == percent
    assert run_message(run, BUCKETS).percent == processed


def test_members_whose_rule_was_deleted_are_demoted_too(instance: Instance, store: Store) -> None:
    names = [f"u{number}" for number in range(50)]
    write_due(instance, names, 5)
    for rule in (6, 4, 3):
        instance.rules.change(
            lambda book, rule=rule: replace(book, ladder=book.ladder.without(rule))  # type: ignore[misc]
        )
    instance.start_run()
    with instance.working():
        # Two of the demo's members have those levels as well: 3dfg4df and 5.
        assert wait_until_ended(instance).users == len(names) + 2
    assert levels(store, names) == {1}


def test_a_run_stops_when_the_rules_change(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demotion_worker, "_SAVE_SECONDS", 0)
    pause = Pause(monkeypatch, instance.bulk, "demote")
    instance.start_run()
    with instance.working():
        pause.wait()
        instance.rules.change(lambda book: replace(book, ladder=book.ladder.without(1)))
        pause.end()
        assert wait_until_ended(instance).state is RunState.STOPPED


@pytest.mark.stores
def test_a_worker_that_lost_its_lease_does_not_overwrite_its_successors_progress(
    instance: Instance, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"u{number}" for number in range(300)]
    write_due(instance, names)
    run = instance.start_run()
    pause = Pause(monkeypatch, instance.bulk, "demote")
    with released(monkeypatch, instance) as stopped, instance.working():
        pause.wait()
        assert not instance.runs.acquire_lease("successor")
        store.delete(keys.DEMOTION_LEASE)  # as if it had expired
        assert instance.runs.acquire_lease("successor")
        assert instance.runs.save_progress("successor", replace(run, bucket=500))
        noted = store.get(keys.DEMOTION)
        pause.end()
        assert stopped.wait(20)
        assert store.get(keys.DEMOTION) == noted
        assert store.get(keys.DEMOTION_LEASE) == b"successor"
        # When the successor is gone, the first worker continues where it stopped.
        instance.runs.release_lease("successor")
        ended = wait_until_ended(instance)
    # The result counts what the buckets record, also what was demoted but not saved as progress.
    assert (ended.state, ended.users) == (RunState.DONE, instance.bulk.demoted_by(run.id))
    assert 0 < ended.users <= len(names)


def test_a_worker_that_waits_to_respect_its_rate_keeps_its_lease(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is longer than the lease."""
    monkeypatch.setattr(demotion_worker, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(instance.worker, "_rate", 1)
    notes: list[int] = []
    save_progress = instance.runs.save_progress

    def save_and_note(worker: str, run: Run) -> Run | None:
        notes.append(run.users)
        return save_progress(worker, run)

    monkeypatch.setattr(instance.runs, "save_progress", save_and_note)
    write_due(instance, same_bucket(BATCH))
    instance.start_run()
    with instance.working():
        until(lambda: notes.count(BATCH) > 10, "the lease is kept while it waits")


@pytest.mark.stores
def test_a_worker_that_was_paused_for_longer_than_its_lease_demotes_no_member(
    store: Store, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(address)
    first, second = Instance(store, 300), Instance(store, 300)
    run = first.start_run()
    pause = Pause(monkeypatch, first.rules, "book")
    with released(monkeypatch, first) as stopped, first.working():
        pause.wait()
        with second.working():
            assert wait_until_ended(second).id == run.id
        # More members are due since then, but not for this run, whose rules may be outdated.
        names = [f"u{number}" for number in range(300)]
        write_due(second, names)
        pause.end()
        assert stopped.wait(20)
        assert levels(store, names) == {3}
