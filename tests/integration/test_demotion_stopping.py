"""Runs that are started, stopped and listed, by any instance and with any of them crashing."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from levelgate.member.v1 import demotion_pb2 as pb
from levelgate.member.v1 import rule_books_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.rule_books_pb2_grpc import RuleBooksStub
from operations.commands.demo import prepare
from services.member_level.demotion import worker as demotion_worker
from services.member_level.demotion.run import Plan, Run, RunState
from services.member_level.demotion.run_store import ENDED_KEPT
from services.rules.rule_book import RuleBook
from services.store import keys
from services.store.store import Store
from services.user_state.bulk import BATCH
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.following import Context, Following, Instance
from tests.support.levels import BUCKETS, same_bucket
from tests.support.member_calls import due, failure, import_rows, plan
from tests.support.service import Service, running_service

RUNNING = pb.RunDemotionResponse.STATE_RUNNING
STOPPED = pb.RunDemotionResponse.STATE_STOPPED
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


def started(instance: Instance, name: str = "run", rate: int | None = None) -> Run:
    return instance.demotions.start(Run(name, "app", instance.rules.book().version, rate=rate))


def ended(instance: Instance, name: str = "run") -> Run:
    until(lambda: instance.runs.ended(name) is not None, "the run ends")
    run = instance.runs.ended(name)
    assert run is not None
    return run


def demoted(store: Store) -> int:
    users = UserState(store, BUCKETS)
    records = [users.get(name) for name in NAMES]
    return sum(record is not None and record.level == 1 for record in records)


def one_run(store: Store) -> list[str]:
    return [run.id for run in Instance(store).runs.runs(101)]


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
    assert one_run(store) == ["run"]


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
    assert one_run(store) == ["run"]


def test_the_last_hundred_runs_are_retained(instance: Instance, store: Store) -> None:
    assert instance.runs.acquire_lease("worker")
    for number in range(ENDED_KEPT + 5):
        run = instance.runs.start(Run(f"run-{number}", "app", 1))
        assert instance.runs.finish("worker", replace(run, state=RunState.DONE))
    newest_first = [f"run-{number}" for number in range(ENDED_KEPT + 4, 4, -1)]
    assert one_run(store) == newest_first
    started(instance, "current")
    assert one_run(store) == ["current", *newest_first]
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


def earlier(**fields: object) -> str:
    """The document of a run as the release before wrote it."""
    run = {"id": "old", "app": "x", "rule_version": 1, "state": "running", "bucket": 0}
    return json.dumps({**run, "rounds": 0, "is_more": False, "users": 0, **fields})


def test_a_run_of_the_release_before_continues_and_can_be_stopped(
    instance: Instance, store: Store
) -> None:
    write_due(instance)
    store.set(keys.DEMOTION, earlier(rule_version=instance.rules.book().version))
    with instance.working():
        run = ended(instance, "old")
    assert (run.state, run.users, run.started) == (RunState.DONE, len(NAMES), None)
    store.set(keys.DEMOTION, earlier(id="older"))
    assert instance.runs.stop("older", "manager") is not None
    with Instance(store).working():
        assert ended(instance, "older").stopped_by == "manager"


def test_a_run_that_the_release_before_ended_is_listed_once(
    instance: Instance, store: Store
) -> None:
    store.set(keys.DEMOTION, earlier(state="done", users=4))
    assert one_run(store) == ["old"]
    started(instance, "new")
    assert one_run(store) == ["new", "old"]
    assert instance.runs.acquire_lease("worker")
    assert instance.runs.finish("worker", Run("new", "app", 1, RunState.DONE))
    started(instance, "newest")
    assert one_run(store) == ["newest", "new", "old"]


def test_the_release_before_reads_every_document_that_it_knows(
    instance: Instance, store: Store
) -> None:
    """Its Run fails on any other field."""
    plan = instance.runs.create_plan("app", 1, 1)
    run = started(instance, plan.id, rate=5)
    known = set(json.loads(earlier()))
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


def test_a_replacement_of_the_rules_stops_a_run_in_progress(
    address: str, store: Store, tmp_path: Path
) -> None:
    demo = prepare(address)
    with running_service(address, tmp_path / "log") as service:
        service.token = demo.token
        service.wait_for("SERVING")
        import_rows(service, due(1_000))
        planned = plan(service)
        stub = DemotionStub(service.channel)
        start = pb.StartDemotionRequest(plan_id=planned.plan_id, rate=50)
        run = stub.StartDemotion(start, timeout=5, metadata=service.metadata).data
        assert (run.run_id, run.state, run.rate) == (planned.plan_id, RUNNING, 50)
        # Another plan cannot be started meanwhile, and this one is not started twice.
        other = pb.StartDemotionRequest(plan_id=plan(service).plan_id)
        wanted = ("FAILED_PRECONDITION", "DEMOTION_RUNNING", "plan_id")
        call = stub.StartDemotion
        assert failure(lambda: call(other, timeout=5, metadata=service.metadata)) == wanted
        again = call(start, timeout=5, metadata=service.metadata).data
        assert (again.run_id, again.started) == (run.run_id, run.started)

        rules = [
            rule_books_pb2.NewRule(vip_level=0, name="a", down_point=0, up_point=500),
            rule_books_pb2.NewRule(vip_level=3, name="b", down_point=500, up_point=900),
        ]
        replace_rules = rule_books_pb2.ReplaceRulesRequest(rules=rules, expected_version=1)
        RuleBooksStub(service.channel).ReplaceRules(
            replace_rules, timeout=5, metadata=service.metadata
        )
        (listed,) = stopped_runs(service)
        assert (listed.run_id, listed.HasField("stopped_by")) == (planned.plan_id, False)
        assert RuleBook(store).book().version == 2
        # 600 points earn level 3 now, so whoever was not reached keeps it.
        levels = {service.show(f"due-{number}").data.level for number in range(0, 1_000, 100)}
        assert levels <= {1, 3}
        again = call(start, timeout=5, metadata=service.metadata).data
        assert again == listed


def stopped_runs(service: Service) -> list[pb.DemotionRun]:
    stub = DemotionStub(service.channel)
    request = pb.ListDemotionRunsRequest()

    def runs() -> list[pb.DemotionRun]:
        reply = stub.ListDemotionRuns(request, timeout=5, metadata=service.metadata)
        return list(reply.data.runs)

    until(lambda: runs()[0].state == STOPPED, "the run stops")
    return runs()


def test_a_run_is_stopped_through_the_other_instance(address: str, tmp_path: Path) -> None:
    demo = prepare(address)
    with (
        running_service(address, tmp_path / "1.log") as first,
        running_service(address, tmp_path / "2.log") as second,
    ):
        for service in (first, second):
            service.token = demo.token
            service.wait_for("SERVING")
        import_rows(first, due(1_000))
        planned = plan(first)
        start = pb.StartDemotionRequest(plan_id=planned.plan_id, rate=50)
        DemotionStub(first.channel).StartDemotion(start, timeout=5, metadata=first.metadata)
        stop = pb.StopDemotionRequest(run_id=planned.plan_id)
        asked = DemotionStub(second.channel).StopDemotion(stop, timeout=5, metadata=second.metadata)
        assert asked.data.stopped_by == "demo"
        (run,) = stopped_runs(second)
        assert (run.run_id, run.stopped_by, run.rate) == (planned.plan_id, "demo", 50)
        assert run.members < 1_000
        assert plan(first).members == 1_000 - run.members
