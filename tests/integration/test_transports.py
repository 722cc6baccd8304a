"""Both transports: failures are counted, logged once and answered with details; calls end."""

import json
import os
import signal
import threading
from collections.abc import Iterator
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
from tests.stack.waiting import until
from tests.support.service import Service, running_service
from tests.support.store_server import ServerProcess

SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"
SETTINGS = {
    "MEMBER_LEVEL_STREAMS": "2",
    "MEMBER_LEVEL_LONG_CALLS": "2",
    # One member per second, so that a demotion of a few members takes a few seconds.
    "MEMBER_LEVEL_DEMOTION_RATE": "1",
    # grpcio's watches of health end only with the grace period.
    "MEMBER_LEVEL_GRACE_SECONDS": "2",
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


def affected_members(method: Any, request: Any, service: Service) -> str | None:
    _, call = method.with_call(request, timeout=5, metadata=service.metadata)
    found: str | None = dict(call.initial_metadata()).get("x-levelgate-affected-members")
    return found


def test_deleting_a_rule_returns_in_the_metadata_how_many_members_it_affects(
    service: Service,
) -> None:
    # A second member gets the level of rule 6 manually.
    request = member_level_pb2.UpdateUserRequest(user_id="42", vip_level=5, partner_id="p")
    service.members.UpdateUser(request, timeout=5, metadata=service.metadata)
    delete = service.members.DeleteRule
    for rule, affected in ((6, "2"), (3, "0")):
        delete_rule = member_level_pb2.DeleteRuleRequest(id=rule)
        assert affected_members(delete, delete_rule, service) == affected


def test_changing_the_level_of_a_rule_returns_how_many_members_it_affects(
    service: Service,
) -> None:
    """The metadata is absent if the level stays the same or conflicts, so no level loses a rule."""
    for level, affected in ((5, None), (3, None), (4, "1")):
        request = member_level_pb2.UpdateRuleRequest(
            id=6, vip_level=level, name="x", down_point=3_000, up_point=5_000
        )
        assert affected_members(service.members.UpdateRule, request, service) == affected


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


def test_the_spellings_that_the_gateway_noted_are_counted(service: Service) -> None:
    noted = (*service.metadata, ("x-levelgate-spellings", "useId,form"))
    request = member_level_pb2.ListRulesRequest()
    service.members.ListRules(request, timeout=5, metadata=noted)
    text = httpx.get(f"http://127.0.0.1:{service.metrics_port}/metrics").text
    for spelling in ("useId", "form"):
        assert f'spelling="{spelling}"}} 1.0' in text


TOO_LARGE = b"\0" * 2_000_000


def test_every_failure_is_counted_and_logged_and_answered_with_details(service: Service) -> None:
    # Undecodable; not UTF-8; an unknown method; an unknown service; an unusual path; too large.
    for path, sent, code, reason, method in (
        (SHOW, b"\xff\xff\xff", "INVALID_ARGUMENT", "INVALID_PARAMETER", "ShowUser"),
        (SHOW, b"\x0a\x02\xff\xfe", "INVALID_ARGUMENT", "INVALID_PARAMETER", "ShowUser"),
        ("/levelgate.member.v1.MemberLevel/No", b"", "UNIMPLEMENTED", "METHOD_UNKNOWN", "unknown"),
        ("/somebodys-openid/secret", b"", "UNIMPLEMENTED", "METHOD_UNKNOWN", "unknown"),
        ("/a/b/c/d", b"", "UNIMPLEMENTED", "METHOD_UNKNOWN", "unknown"),
        (SHOW, TOO_LARGE, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE", "ShowUser"),
    ):
        if sent == TOO_LARGE and service.settings["MEMBER_LEVEL_SERVER"] == "grpcio":
            # grpcio refuses it before the pipeline sees it, as the ADR says.
            assert failure_of(raw(service, path, sent)) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                {},
            )
            continue
        count = counted(service, method, code) + 1
        lines = len(refusals(service)) + 1
        found, details = failure_of(raw(service, path, sent))
        assert found.name == code
        assert details["ErrorInfo"].reason == reason
        assert details["ErrorInfo"].domain == "levelgate"
        assert details["RequestInfo"].request_id == "rid-42"
        until(lambda m=method, c=code, n=count: counted(service, m, c) == n, "the metric")  # type: ignore[misc]
        until(lambda n=lines: len(refusals(service)) == n, "one line in the log")  # type: ignore[misc]
        line = refusals(service)[-1]
        assert (line["level"], line["code"], line["request_id"]) == ("info", code, "rid-42")
    assert "openid" not in service.lines


def test_compressed_messages_are_accepted(service: Service) -> None:
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        reply = service.members.ShowUser(
            member_level_pb2.ShowUserRequest(user_id="5"),
            timeout=5,
            metadata=service.metadata,
            compression=compression,
        )
        assert reply.data.level == 5


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


def watch(service: Service) -> Any:
    stub = MemberHistoryStub(service.channel)
    return stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=60, metadata=service.metadata
    )


def test_a_stream_over_the_limit_is_refused_until_the_caller_of_another_one_leaves(
    service: Service,
) -> None:
    first, second = watch(service), watch(service)
    next(first), next(second)
    code, details = failure_of(lambda: next(watch(service)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details["ErrorInfo"].reason == "TOO_MANY_STREAMS"
    first.cancel()
    until(
        lambda: counted(service, "WatchLevels", "CANCELLED") == 1,
        "the service notices that the caller left",
    )
    next(watch(service))


def test_unidentified_callers_are_refused_before_they_take_a_stream(service: Service) -> None:
    """Otherwise they would get TOO_MANY_STREAMS, and could take the next free one."""
    first, second = watch(service), watch(service)
    next(first), next(second)
    service.token = ""
    code, _ = failure_of(lambda: next(watch(service)))
    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_a_caller_who_leaves_while_sending_causes_no_error_in_the_log(service: Service) -> None:
    over = threading.Event()

    def requests() -> Iterator[member_bulk_pb2.ImportUsersRequest]:
        row = member_bulk_pb2.UserRow(user_id="new", points=1)
        yield member_bulk_pb2.ImportUsersRequest(users=[row])
        over.wait()

    stub = MemberBulkStub(service.channel)
    call = stub.ImportUsers.future(requests(), timeout=60, metadata=service.metadata)
    # When this later call is answered, the stream has begun.
    service.status()
    call.cancel()
    over.set()
    until(lambda: counted(service, "ImportUsers", "CANCELLED") == 1, "the service notices the end")
    assert '"level": "error"' not in service.lines


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
    until(lambda: sum(call.done() for call in calls) == 10, "ten refusals")
    refused = [call for call in calls if call.done()]
    assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert service.show(timeout=2).data.level == 5
    # The limit of another method is separate.
    plan = DemotionStub(service.channel).PlanDemotion(
        demotion_pb2.PlanDemotionRequest(), timeout=10, metadata=service.metadata
    )
    assert plan.code == "success"
    for call in calls:
        call.cancel()
    until(
        lambda: counted(service, "LevelDown", "CANCELLED") == 2,
        "the service notices that both callers left",
    )


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
        "the service notices the end",
    )


def test_a_deadline_also_ends_the_work_of_the_service(
    service: Service, store_server: ServerProcess
) -> None:
    """The service would wait 5 s for the store, but the caller only waits half a second."""
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
