"""What the store retains of runs: one run at a time, the last ones that ended, and their plans."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import pytest

from operations.commands.demo import prepare
from services.member_level.demotion.run import Plan, Run, RunState
from services.member_level.demotion.run_store import ENDED_KEPT
from services.store import keys
from services.store.scripts import Script
from services.store.store import Store
from tests.support.following import Instance, earlier_run, listed, started


@pytest.fixture
def instance(store: Store, address: str) -> Instance:
    prepare(address)
    return Instance(store)


def test_of_two_runs_that_start_at_the_same_time_one_is_recorded(
    instance: Instance, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, others = instance.runs._found, ["theirs"]

    def read_while_another_starts(count: int) -> tuple[bytes, Run | None, Sequence[Run]]:
        found = read(count)
        if others:
            started(Instance(store), others.pop())
        return found

    monkeypatch.setattr(instance.runs, "_found", read_while_another_starts)
    assert started(instance, "ours").id == "theirs"
    assert listed(store) == ["theirs"]


def test_the_last_hundred_runs_are_retained(instance: Instance, store: Store) -> None:
    assert instance.runs.acquire_lease("worker")
    for number in range(ENDED_KEPT + 5):
        run = instance.runs.start(Run(f"run-{number}", "app", 1))
        assert instance.runs.finish("worker", replace(run, state=RunState.DONE))
    newest_first = [f"run-{number}" for number in range(ENDED_KEPT + 4, 4, -1)]
    assert listed(store) == newest_first
    length = Script(store, "return redis.call('LLEN', KEYS[1])", writes=False)
    assert length([keys.ENDED_DEMOTIONS]) == ENDED_KEPT
    started(instance, "current")
    assert listed(store) == ["current", *newest_first]
    assert [run.id for run in instance.runs.runs(2)] == ["current", newest_first[0]]
    assert instance.runs.ended("run-4") is None
    assert instance.runs.stop("run-4", "app") is None


def test_the_end_of_a_run_is_saved_everywhere_or_nowhere(instance: Instance, store: Store) -> None:
    plan = instance.runs.create_plan("app", 1, time.time())
    run = started(instance, plan.id)
    done = replace(run, state=RunState.DONE)
    assert instance.runs.acquire_lease("worker")
    assert instance.runs.finish("stranger", done) is None
    assert instance.runs.ended(plan.id) is None
    assert instance.runs.get_plan(plan.id) == plan
    finished = instance.runs.finish("worker", done)
    assert instance.runs.ended(plan.id) == instance.runs.current() == finished
    found = instance.runs.get_plan(plan.id)
    assert found == Plan(plan.id, "app", 1, plan.created, replace(done, started=None))
    # After a hundred other runs only the plan knows the end.
    store.delete(keys.ENDED_DEMOTIONS)
    instance.runs.start(Run("next", "app", 1))
    store.delete(keys.ENDED_DEMOTIONS)
    assert instance.runs.ended(plan.id) == found.ended


def test_a_run_that_the_release_before_ended_is_listed_once(
    instance: Instance, store: Store
) -> None:
    store.set(keys.DEMOTION, earlier_run(state="done", users=4))
    assert listed(store) == ["old"]
    started(instance, "new")
    assert listed(store) == ["new", "old"]
    assert instance.runs.acquire_lease("worker")
    assert instance.runs.finish("worker", Run("new", "app", 1, RunState.DONE))
    started(instance, "newest")
    assert listed(store) == ["newest", "new", "old"]


def test_the_release_before_reads_every_document_that_it_knows(
    instance: Instance, store: Store
) -> None:
    """Its Run fails on any other field."""
    plan = instance.runs.create_plan("app", 1, 1)
    run = started(instance, plan.id, rate=5)
    known = set(json.loads(earlier_run()))
    assert instance.runs.acquire_lease("worker")
    steps: list[Callable[[], object]] = [
        lambda: instance.runs.stop(plan.id, "manager"),
        lambda: instance.runs.save_progress("worker", run),
        lambda: instance.runs.finish("worker", replace(run, state=RunState.STOPPED)),
    ]
    for step in steps:
        assert set(json.loads(store.get(keys.DEMOTION) or b"")) == known
        step()
    assert set(json.loads(store.get(keys.DEMOTION) or b"")) == known
    stored = json.loads(store.get(keys.demotion_plan(plan.id)) or b"")
    assert set(stored) == set(asdict(plan))
    assert set(stored["ended"]) == known
