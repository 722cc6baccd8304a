"""Calls that follow a demotion end when their caller has left, and the run continues."""

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest

from levelgate.member.v1 import demotion_pb2, member_level_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from operations.commands.demo import prepare
from services.member_level.demotion import progress as run_progress
from services.member_level.demotion.run import Run, RunState
from services.member_level.demotion.run_store import RunStore
from services.member_level.demotion.servicer import Demotion
from services.runtime.error_catalogue import REASONS
from services.runtime.errors import Failure
from services.store.store import Store
from services.user_state.rows import Row
from tests.stack.waiting import until
from tests.support.following import Context, Following, Instance
from tests.support.member_calls import due, import_rows, plan
from tests.support.service import Service

pytestmark = pytest.mark.stores("valkey")

# Longer than any test waits: what ends sooner was woken.
NEVER = 3_600.0
DUE = [Row(f"due-{number}", 600, 3) for number in range(300)]


@pytest.fixture
def instance(store: Store, address: str) -> Instance:
    prepare(address)
    return Instance(store)


@pytest.fixture
def never_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_progress, "_POLL_SECONDS", NEVER)


@pytest.mark.usefixtures("never_polling")
def test_following_ends_at_once_when_the_caller_leaves(instance: Instance) -> None:
    context = Context()
    following = Following(instance, instance.start_run(), instance.demotions.follower(context))
    context.leave()
    assert following.ended()
    assert following.states == [RunState.RUNNING]


@pytest.mark.usefixtures("never_polling")
def test_following_ends_at_once_for_a_caller_that_has_left_already(instance: Instance) -> None:
    context = Context()
    context.leave()
    follower = instance.demotions.follower(context)
    instance.demotions.run_to_completion("app", follower)
    assert follower.has_left


def test_a_leveldown_whose_caller_leaves_is_counted_as_cancelled(instance: Instance) -> None:
    context = Context()
    context.leave()
    with pytest.raises(Failure) as raised:
        instance.members().LevelDown(member_level_pb2.LevelDownRequest(), cast(Any, context))
    assert raised.value.code is grpc.StatusCode.CANCELLED


def test_following_ends_when_the_service_stops(instance: Instance) -> None:
    following = Following(instance, instance.start_run(), instance.demotions.follower(Context()))
    instance.stopping.set()
    assert following.ended()


def test_following_ends_when_the_time_is_up(instance: Instance) -> None:
    follower = instance.demotions.follower(Context(), 0.2)
    started = time.monotonic()
    instance.demotions.run_to_completion("app", follower)
    assert time.monotonic() - started >= 0.2
    run = instance.runs.current()
    assert run is not None
    assert run.state is RunState.RUNNING


def test_counts_and_pages_end_when_their_caller_has_left(instance: Instance) -> None:
    context = Context()
    context.leave()
    gone = cast(Any, context)
    demotion = Demotion(instance.bulk, instance.rules, instance.runs, instance.demotions)
    rule = member_level_pb2.ProposedRule(vip_level=0, down_point=0, up_point=9)
    calls: list[Callable[[], object]] = [
        lambda: instance.members().PreviewRules(
            member_level_pb2.PreviewRulesRequest(rules=[rule]), gone
        ),
        lambda: demotion.PlanDemotion(demotion_pb2.PlanDemotionRequest(), gone),
        lambda: demotion.ListAtRisk(demotion_pb2.ListAtRiskRequest(points=1), gone),
    ]
    for call in calls:
        with pytest.raises(Failure) as raised:
            call()
        assert raised.value.code is grpc.StatusCode.CANCELLED


@pytest.mark.usefixtures("never_polling")
def test_a_worker_in_the_same_process_wakes_the_calls_that_follow(instance: Instance) -> None:
    instance.bulk.write(DUE, instance.rules.book().thresholds)
    following = Following(instance, instance.start_run(), instance.demotions.follower(Context()))
    with instance.working():
        assert following.ended()
    assert following.states[-1] is RunState.DONE


def test_a_run_that_another_instance_carries_out_is_followed_to_its_end(
    instance: Instance, store: Store
) -> None:
    instance.bulk.write(DUE, instance.rules.book().thresholds)
    following = Following(instance, instance.start_run(), instance.demotions.follower(Context()))
    with Instance(store).working():
        assert following.ended()
    assert following.states[-1] is RunState.DONE


def test_many_calls_that_follow_share_their_reads_of_the_store(instance: Instance) -> None:
    run = instance.start_run()
    contexts = [Context() for _ in range(8)]
    started = time.monotonic()
    followings = [
        Following(instance, run, instance.demotions.follower(context)) for context in contexts
    ]
    until(lambda: min(len(each.states) for each in followings) > 5, "all see the states")
    polls = (time.monotonic() - started) / run_progress._POLL_SECONDS
    # At first each call needs its own read: a state from before its start is too old for it.
    assert instance.runs.reads <= polls + len(contexts)
    for context in contexts:
        context.leave()
    assert all(each.ended() for each in followings)


def test_the_end_of_the_run_before_is_not_taken_for_the_end_of_this_one(
    instance: Instance,
) -> None:
    first = instance.start_run("first")
    assert instance.runs.acquire_lease("worker")
    noted_at = time.monotonic()
    ended = Run(first.id, first.app, first.rule_version, RunState.DONE)
    assert instance.runs.finish("worker", ended)
    instance.progress.publish(ended, noted_at)
    context = Context()
    following = Following(
        instance, instance.start_run("second"), instance.demotions.follower(context)
    )
    until(lambda: len(following.states) > 2, "the states of the second run")
    context.leave()
    assert following.ended()
    assert set(following.states) == {RunState.RUNNING}


def test_a_read_that_began_before_the_call_is_too_old_for_it(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may return the end of the previous run."""
    begun, over = threading.Event(), threading.Event()
    states = [Run("before", "app", 1, RunState.DONE), Run("now", "app", 1)]

    def read() -> Run:
        state = states.pop(0)
        if state.id == "before":
            begun.set()
            over.wait(20)
        return state

    monkeypatch.setattr(instance.runs, "current", read)
    earlier = time.monotonic()
    other = threading.Thread(target=instance.progress.next, args=(earlier, lambda: False))
    other.start()
    assert begun.wait(20)
    since = time.monotonic()
    over.set()
    other.join(20)
    found = instance.progress.next(since, lambda: False)
    assert found is not None
    assert found[0] == Run("now", "app", 1)


def test_a_read_that_fails_does_not_keep_the_others_from_reading(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = instance.start_run()
    since = time.monotonic()

    def fail() -> Run | None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(instance.runs, "current", fail)
        with pytest.raises(ConnectionError):
            instance.progress.next(since, lambda: False)
    found = instance.progress.next(since, lambda: False)
    assert found is not None
    assert found[0] == run


def test_a_leveldown_that_outlives_its_caller_answers_success_and_continues(
    slow_member: Service,
) -> None:
    import_rows(slow_member, due(120))
    request = member_level_pb2.LevelDownRequest()
    reply = slow_member.members.LevelDown(request, timeout=1, metadata=slow_member.metadata)
    assert reply.data == "success"
    assert plan(slow_member).members > 0
    # Joins the run.
    slow_member.members.LevelDown(request, timeout=30, metadata=slow_member.metadata)
    assert plan(slow_member).members == 0


def test_callers_that_disconnect_from_leveldown_block_no_others_and_the_run_continues(
    slow_member: Service, store: Store
) -> None:
    import_rows(slow_member, due(600))
    request, metadata = member_level_pb2.LevelDownRequest(), slow_member.metadata
    runs = RunStore(store)
    # More than the service has threads for calls.
    for _ in range(3):
        calls = [
            slow_member.members.LevelDown.future(request, timeout=60, metadata=metadata)
            for _ in range(8)
        ]
        until(runs.current, "the run is in progress")
        for call in calls:
            assert call.cancel()
    assert slow_member.show(timeout=5).data.level == 5
    run = runs.current()
    assert run is not None
    assert run.state is RunState.RUNNING

    def continued() -> bool:
        now = runs.current()
        return now is not None and now.id == run.id and now.users > run.users

    until(continued, "the run continues without a caller")


def test_a_stream_of_a_run_ends_when_its_instance_goes_down(slow_member: Service) -> None:
    import_rows(slow_member, due(600))
    request = demotion_pb2.RunDemotionRequest(plan_id=plan(slow_member).plan_id)
    stream = DemotionStub(slow_member.channel).RunDemotion(
        request, timeout=60, metadata=slow_member.metadata
    )
    next(stream)
    slow_member.process.terminate()
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert raised.value.details() == REASONS["SHUTTING_DOWN"].message
    assert slow_member.process.wait(20) == 0
