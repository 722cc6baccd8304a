"""Both transports have limits of streams and of long calls, and end calls at their deadlines."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from levelgate.member.v1 import demotion_pb2, member_history_pb2, member_level_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from tests.integration.transports import (
    LONG_CALLS,
    STREAMS,
    TRANSPORTS,
    Running,
    counted,
    failure_of,
    running_transport,
)
from tests.stack.waiting import until
from tests.support.service import Service


@pytest.fixture(scope="module", params=TRANSPORTS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp(request.param)
    with running_transport(request.param, directory) as started:
        yield started


@pytest.fixture
def service(running: Running) -> Service:
    return running.service


def watch(service: Service, token: str, seconds: float = 60) -> Any:
    stub = MemberHistoryStub(service.channel)
    metadata = (("authorization", token),)
    return stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=seconds, metadata=metadata
    )


@contextmanager
def until_noticed(service: Service, method: str, calls: int, *codes: str) -> Iterator[None]:
    """After the block, waits until the service has counted the ends of this number of calls."""
    before = counted(service, method, *codes)
    yield
    until(lambda: counted(service, method, *codes) == before + calls, "the service notices the end")


def test_a_stream_over_the_limit_is_refused_until_the_caller_of_another_one_leaves(
    service: Service,
) -> None:
    held = [watch(service, service.token) for _ in range(STREAMS)]
    for each in held:
        next(each)
    code, details = failure_of(lambda: next(watch(service, service.token)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details["ErrorInfo"].reason == "TOO_MANY_STREAMS"
    # A caller without a token is refused before that, so it could not take the next free stream.
    code, _ = failure_of(lambda: next(watch(service, "")))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    with until_noticed(service, "WatchLevels", 1, "CANCELLED"):
        held.pop().cancel()
    held.append(watch(service, service.token))
    next(held[-1])
    with until_noticed(service, "WatchLevels", STREAMS, "CANCELLED"):
        for each in held:
            each.cancel()


def test_a_stream_ends_with_its_deadline(service: Service) -> None:
    with until_noticed(service, "WatchLevels", 1, "DEADLINE_EXCEEDED", "CANCELLED"):
        code, _ = failure_of(lambda: list(watch(service, service.token, seconds=0.5)))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED


def make_due(service: Service, count: int) -> None:
    """Creates members whose points are no longer enough for their level."""
    for number in range(count):
        user = f"due-{number}"
        add = member_level_pb2.AddPointsRequest
        members, metadata = service.members, service.metadata
        members.InitUser(member_level_pb2.InitUserRequest(user_id=user), metadata=metadata)
        for delta in (100_000, -100_000):
            request = add(user_id=user, delta=delta, bill_no=str(delta))
            members.AddPoints(request, metadata=metadata)


def test_long_calls_have_a_limit_and_do_not_delay_short_ones(service: Service) -> None:
    make_due(service, 30)
    request = member_level_pb2.LevelDownRequest()
    calls = [
        service.members.LevelDown.future(request, timeout=30, metadata=service.metadata)
        for _ in range(12)
    ]
    until(lambda: sum(call.done() for call in calls) == 12 - LONG_CALLS, "refusals")
    refused = [call for call in calls if call.done()]
    assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert service.show(timeout=2).data.level == 5
    # The limit of another method is separate.
    plan = DemotionStub(service.channel).PlanDemotion(
        demotion_pb2.PlanDemotionRequest(), timeout=10, metadata=service.metadata
    )
    assert plan.code == "success"
    with until_noticed(service, "LevelDown", LONG_CALLS, "CANCELLED"):
        for call in calls:
            call.cancel()


def test_a_deadline_also_ends_the_work_of_the_service(service: Service, running: Running) -> None:
    """The service would wait 5 s for the store, but the caller only waits half a second."""
    ends = ("DEADLINE_EXCEEDED", "UNAVAILABLE")
    before = counted(service, "ShowUser", *ends)
    running.store.process.send_signal(signal.SIGSTOP)
    try:
        code, _ = failure_of(lambda: service.show(timeout=0.5))
        assert code.name in ends
        until(lambda: counted(service, "ShowUser", *ends) == before + 1, "the end", 3)
    finally:
        running.store.process.send_signal(signal.SIGCONT)
    service.wait_for("SERVING")
    assert service.show().data.level == 5


def test_watches_of_health_occupy_no_thread(service: Service) -> None:
    """There are more watches than threads or streams, half of them of an unknown name."""
    stub = HealthStub(service.channel)
    names = ["", "no.such.Service"] * 20
    watches = [
        stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=60)  # type: ignore[attr-defined]
        for name in names
    ]
    serving, unknown = (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
    )
    assert [next(each).status for each in watches] == [serving, unknown] * 20
    assert service.show().data.level == 5
    service.process.terminate()
    assert next(watches[0]).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert service.process.wait(15) == 0
