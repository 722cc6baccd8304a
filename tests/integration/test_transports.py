"""Both transports answer alike: failures are counted, logged once and have details."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from levelgate.member.v1 import member_bulk_pb2, member_level_pb2
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from tests.integration.transports import (
    TRANSPORTS,
    Running,
    counted,
    failure_of,
    running_transport,
)
from tests.stack.waiting import until
from tests.support.service import Service

SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"


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


def raw(service: Service, path: str, message: bytes) -> Any:
    call: Any = service.channel.unary_unary(path)
    return lambda: call(message, timeout=5, metadata=service.metadata)


def refusals(service: Service) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.lines.splitlines()]
    return [line for line in lines if line["event"] in {"call refused", "call failed"}]


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


def affected_members(method: Any, request: Any, service: Service) -> str | None:
    _, call = method.with_call(request, timeout=5, metadata=service.metadata)
    found: str | None = dict(call.initial_metadata()).get("x-levelgate-affected-members")
    return found


def test_a_change_of_a_rule_returns_in_the_metadata_how_many_members_it_affects(
    service: Service,
) -> None:
    """The metadata is absent if the level stays the same or conflicts, so no level loses a rule."""
    # A second member gets the level of rule 6 manually.
    request = member_level_pb2.UpdateUserRequest(user_id="42", vip_level=5, partner_id="p")
    service.members.UpdateUser(request, timeout=5, metadata=service.metadata)
    for level, affected in ((5, None), (3, None), (4, "2"), (5, "0")):
        change = member_level_pb2.UpdateRuleRequest(
            id=6, vip_level=level, name="x", down_point=3_000, up_point=5_000
        )
        assert affected_members(service.members.UpdateRule, change, service) == affected
    for rule, affected in ((6, "2"), (3, "0")):
        delete = member_level_pb2.DeleteRuleRequest(id=rule)
        assert affected_members(service.members.DeleteRule, delete, service) == affected
