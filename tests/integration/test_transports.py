"""Both transports: every failure is counted, logged once and answered with details."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status

from levelgate.member.v1 import (
    demotion_pb2,
    member_bulk_pb2,
    member_history_pb2,
    member_level_pb2,
)
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from operations.commands.demo import prepare
from tests.integration.conftest import ServerProcess
from tests.stack.waiting import until
from tests.support.bystanders import message
from tests.support.half_open import Call, Connection, half_open
from tests.support.service import Service, running_service

SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"
SETTINGS = {
    "MEMBER_LEVEL_STREAMS": "2",
    "MEMBER_LEVEL_LONG_CALLS": "2",
    # One member a second: a demotion of a few members takes a few seconds.
    "MEMBER_LEVEL_DEMOTION_RATE": "1",
}


@pytest.fixture(params=["envoy", "grpcio"])
def service(
    request: pytest.FixtureRequest, store_server: ServerProcess, tmp_path: Path
) -> Iterator[Service]:
    demo = prepare(store_server.address)
    settings = {**SETTINGS, "MEMBER_LEVEL_SERVER": request.param}
    with running_service(store_server.address, tmp_path / "log", **settings) as started:
        started.token = demo.token
        started.wait_for("SERVING")
        yield started


def is_envoy(service: Service) -> bool:
    return service.settings["MEMBER_LEVEL_SERVER"] == "envoy"


def failure_of(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    """The code of a failed call, and its details by their type's name."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    details = {}
    for packed in [] if status is None else status.details:
        name = packed.TypeName().rpartition(".")[2]
        details[name] = getattr(error_details_pb2, name).FromString(packed.value)
    return raised.value.code(), details


@pytest.mark.parametrize(("rule", "affected"), [(6, "2"), (3, "0")])
def test_deleting_a_rule_says_in_the_metadata_how_many_members_it_affects(
    service: Service, rule: int, affected: str
) -> None:
    # One more has the level of rule 6 by hand.
    request = member_level_pb2.UpdateUserRequest(user_id="42", vip_level=5, partner_id="p")
    service.members.UpdateUser(request, timeout=5, metadata=service.metadata)
    delete = service.members.DeleteRule
    _, call = delete.with_call(
        member_level_pb2.DeleteRuleRequest(id=rule), timeout=5, metadata=service.metadata
    )
    assert dict(call.initial_metadata())["x-levelgate-affected-members"] == affected


@pytest.mark.parametrize(("level", "affected"), [(4, "1"), (5, None), (3, None)])
def test_changing_the_level_of_a_rule_says_how_many_members_it_affects(
    service: Service, level: int, affected: str | None
) -> None:
    """Only where a level loses its rule by it: not with the same level, nor with a conflict."""
    request = member_level_pb2.UpdateRuleRequest(
        id=6, vip_level=level, name="x", down_point=3_000, up_point=5_000
    )
    _, call = service.members.UpdateRule.with_call(request, timeout=5, metadata=service.metadata)
    assert dict(call.initial_metadata()).get("x-levelgate-affected-members") == affected


def raw(service: Service, path: str, message: bytes) -> Any:
    call: Any = service.channel.unary_unary(path)
    return lambda: call(message, timeout=5, metadata=service.metadata)


def refusals(service: Service) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.lines.splitlines()]
    return [line for line in lines if line["event"] in {"call refused", "call failed"}]


def counted(service: Service, method: str, code: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{service.metrics_port}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("grpc_server_handled_total")]
    labels = (f'grpc_method="{method}"', f'grpc_code="{code}"')
    return sum(float(line.split()[-1]) for line in lines if all(each in line for each in labels))


@pytest.mark.parametrize(
    ("path", "message", "code", "reason", "method"),
    [
        (SHOW, b"\xff\xff\xff", "INVALID_ARGUMENT", "INVALID_PARAMETER", "ShowUser"),
        (SHOW, b"\x0a\x02\xff\xfe", "INVALID_ARGUMENT", "INVALID_PARAMETER", "ShowUser"),
        ("/levelgate.member.v1.MemberLevel/No", b"", "UNIMPLEMENTED", "METHOD_UNKNOWN", "unknown"),
        ("/somebodys-openid/secret", b"", "UNIMPLEMENTED", "METHOD_UNKNOWN", "unknown"),
        ("/a/b/c/d", b"", "UNIMPLEMENTED", "METHOD_UNKNOWN", "unknown"),
        (SHOW, b"\0" * 2_000_000, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE", "ShowUser"),
    ],
    ids=["undecodable", "not UTF-8", "unknown method", "unknown service", "odd path", "too large"],
)
def test_a_failure_takes_the_pipeline(
    service: Service, path: str, message: bytes, code: str, reason: str, method: str
) -> None:
    if reason == "MESSAGE_TOO_LARGE" and not is_envoy(service):
        # grpcio refuses it by itself: the ADR says so.
        assert failure_of(raw(service, path, message)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, {})
        return
    found, details = failure_of(raw(service, path, message))
    assert found.name == code
    assert details["ErrorInfo"].reason == reason
    assert details["ErrorInfo"].domain == "levelgate"
    assert details["RequestInfo"].request_id == "rid-42"
    until(lambda: counted(service, method, code) == 1, "the metric")
    (line,) = refusals(service)
    assert (line["level"], line["code"], line["request_id"]) == ("info", code, "rid-42")
    assert "openid" not in service.lines


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_understood(
    service: Service, compression: grpc.Compression
) -> None:
    reply = service.members.ShowUser(
        member_level_pb2.ShowUserRequest(user_id="5"),
        timeout=5,
        metadata=service.metadata,
        compression=compression,
    )
    assert reply.data.level == 5


def test_health_is_watched_without_holding_a_thread(service: Service) -> None:
    """There are more watches than threads or streams, some of a name that nobody knows."""
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


def watch(service: Service) -> Any:
    stub = MemberHistoryStub(service.channel)
    return stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=60, metadata=service.metadata
    )


def test_a_stream_over_the_limit_is_refused_and_one_that_its_caller_left_makes_room(
    service: Service,
) -> None:
    first, second = watch(service), watch(service)
    next(first), next(second)
    code, details = failure_of(lambda: next(watch(service)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details["ErrorInfo"].reason == "TOO_MANY_STREAMS"
    first.cancel()
    until(lambda: counted(service, "WatchLevels", "CANCELLED") == 1, "the caller's end is noticed")
    next(watch(service))


def test_strangers_are_refused_before_they_could_take_a_stream(service: Service) -> None:
    """Else they would hear that there are too many streams, and take the next that is free."""
    first, second = watch(service), watch(service)
    next(first), next(second)
    service.token = ""
    code, _ = failure_of(lambda: next(watch(service)))
    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_a_caller_who_leaves_while_it_sends_is_no_error_of_the_service(service: Service) -> None:
    over = threading.Event()

    def requests() -> Iterator[member_bulk_pb2.ImportUsersRequest]:
        row = member_bulk_pb2.UserRow(user_id="new", points=1)
        yield member_bulk_pb2.ImportUsersRequest(users=[row])
        over.wait()

    stub = MemberBulkStub(service.channel)
    call = stub.ImportUsers.future(requests(), timeout=60, metadata=service.metadata)
    # The next call answers when the one before it has begun.
    service.status()
    call.cancel()
    over.set()
    until(lambda: counted(service, "ImportUsers", "CANCELLED") == 1, "the end is noticed")
    assert '"level": "error"' not in service.lines


def make_due(service: Service, count: int) -> None:
    """So many members whose points no longer earn their level."""
    for number in range(count):
        user = f"due-{number}"
        add = member_level_pb2.AddPointsRequest
        members, metadata = service.members, service.metadata
        members.InitUser(member_level_pb2.InitUserRequest(user_id=user), metadata=metadata)
        for delta in (100_000, -100_000):
            request = add(user_id=user, delta=delta, bill_no=str(delta))
            members.AddPoints(request, metadata=metadata)


def test_long_calls_have_a_limit_and_do_not_keep_short_ones_waiting(service: Service) -> None:
    make_due(service, 30)
    request = member_level_pb2.LevelDownRequest()
    calls = [
        service.members.LevelDown.future(request, timeout=30, metadata=service.metadata)
        for _ in range(12)
    ]
    until(lambda: sum(call.done() for call in calls) == 10, "ten refusals")
    refused = [call for call in calls if call.done()]
    assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert service.show(timeout=2).data.level == 5
    # Another method has places of its own.
    plan = DemotionStub(service.channel).PlanDemotion(
        demotion_pb2.PlanDemotionRequest(), timeout=10, metadata=service.metadata
    )
    assert plan.code == "success"
    for call in calls:
        call.cancel()
    until(lambda: counted(service, "LevelDown", "CANCELLED") == 2, "both callers' ends are noticed")


def test_a_stream_ends_with_its_deadline(service: Service) -> None:
    stub = MemberHistoryStub(service.channel)
    stream = stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=1, metadata=service.metadata
    )
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(
        lambda: (
            counted(service, "WatchLevels", "DEADLINE_EXCEEDED")
            + counted(service, "WatchLevels", "CANCELLED")
            == 1
        ),
        "the end is noticed",
    )


def test_many_resets_are_no_reason_to_end_a_connection_or_to_write_to_the_log(
    service: Service,
) -> None:
    """All callers share the gateway's connection; one may cancel most of its calls."""
    if not is_envoy(service):
        return
    whole = message(member_level_pb2.ShowUserRequest(user_id="5"))
    sent = [Call(SHOW, whole, service.token, is_whole=True)] * 20
    with ExitStack() as opened:
        connection = Connection(("127.0.0.1", service.port), opened)
        for _ in range(
            40
        ):  # 800: Envoy closes a connection after 500, grpcio's library after 1,000.
            connection.begin(sent)
            connection.reset()
        connection.send()
    assert service.show().data.level == 5
    assert [line for line in service.lines.splitlines() if not line.startswith("{")] == []


def test_calls_whose_request_never_comes_keep_the_memory_for_two_seconds_only(
    service: Service,
) -> None:
    """No time limit ends a watch, and each of these holds too little to be ended for its size."""
    if not is_envoy(service):
        return
    path = "/levelgate.member.v1.MemberHistory/WatchLevels"
    with half_open(("127.0.0.1", service.port), [Call(path)], 80, 250) as held:
        assert held.begun > 19_000
        until(lambda: held.answers.total() > 5_000, "calls that are ended", 20)
        until(lambda: service.status() == "SERVING", "health", 20)
        for _ in range(20):
            assert service.show().data.level == 5


def test_a_deadline_ends_the_work_and_not_only_the_waiting(
    service: Service, store_server: ServerProcess
) -> None:
    """The store would be waited for 5 s; the caller gives half a second."""
    os.kill(store_server.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(grpc.RpcError) as raised:
            service.show(timeout=0.5)
        codes = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
        assert raised.value.code() in codes
        ends = ("DEADLINE_EXCEEDED", "UNAVAILABLE")
        until(lambda: any(counted(service, "ShowUser", end) for end in ends), "the end", 3)
    finally:
        os.kill(store_server.process.pid, signal.SIGCONT)
