"""gRPC calls that the gateway itself refuses: their code and details."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from levelgate.member.v1.member_bulk_pb2 import ExportUsersRequest
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_level_pb2 import ListRulesRequest, ShowUserRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.upbot.v1.eligibility_pb2 import EligibilityBatchCheckRequest
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from services.runtime.error_catalogue import REASONS
from tests.gateway.refusals import list_rules, refusal
from tests.gateway.running import ROOT, Gateway, channel_to, running_gateway, wait_until
from tests.gateway.upstream import Upstream, bare, failing, raising, slow

MIB = 2**20


@pytest.fixture
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    with channel_to(gateway) as channel:
        yield channel


def test_a_call_that_reaches_no_instance_is_retried_three_times_and_refused(
    upstream: Upstream, tmp_path: Path
) -> None:
    ports = {**upstream.ports, "member_level": 1}
    # Without health checks the gateway tries the instance.
    cluster = (ROOT / "gateway" / "cluster.yaml").read_text(encoding="utf-8")
    health_checks = re.search(r" +health_checks:\n( +- .*\n( {6}.*\n)*)", cluster)
    assert health_checks
    changes = {health_checks[0]: ""}
    with running_gateway(tmp_path, ports, changes) as lonely, channel_to(lonely) as channel:
        assert list_rules(channel) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
        # No instance has seen the call, so these retries are safe.
        assert lonely.counter("cluster.member_level.upstream_rq_retry") == 3


def test_a_call_past_its_deadline_is_refused(upstream: Upstream, impatient: Gateway) -> None:
    upstream.answers["ListRules"] = slow(1)
    with channel_to(impatient) as channel:
        assert list_rules(channel) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("length", [1, 128])
def test_a_call_of_an_internal_service_is_refused(channel: grpc.Channel, length: int) -> None:
    refused = refusal(MemberBulkStub(channel).ExportUsers, ExportUsersRequest(), "i" * length)
    assert refused == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


def test_a_call_of_an_unknown_method_is_refused(channel: grpc.Channel) -> None:
    call: Any = channel.unary_unary(
        "/levelgate.member.v1.MemberLevel/Nothing", lambda message: message.SerializeToString()
    )
    assert refusal(call, ListRulesRequest()) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


def show_user(channel: grpc.Channel, size: int) -> tuple[Any, Message]:
    # The tag and the length take 4 bytes, or 5 for a larger text.
    return MemberLevelStub(channel).ShowUser, ShowUserRequest(user_id="a" * (size - 4))


def batch_check(channel: grpc.Channel, size: int) -> tuple[Any, Message]:
    request = EligibilityBatchCheckRequest(openids=["a" * (size - 5)])
    return EligibilityStub(channel).BatchCheck, request


SIZES = pytest.mark.parametrize(("make", "most"), [(show_user, MIB), (batch_check, 4 * MIB)])


@SIZES
def test_a_message_as_large_as_the_service_accepts_passes(
    channel: grpc.Channel, upstream: Upstream, make: Any, most: int
) -> None:
    call, request = make(channel, most)
    assert request.ByteSize() == most
    call(request, timeout=10)
    assert len(upstream.calls) == 1


@SIZES
def test_a_larger_message_is_refused(
    channel: grpc.Channel, upstream: Upstream, gateway: Gateway, make: Any, most: int
) -> None:
    call, request = make(channel, most + 1)
    request_id = f"larger-than-{most}"
    assert refusal(call, request, request_id) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
    assert upstream.calls == []
    wait_until(lambda: bool(gateway.log_lines(request_id)), "the log is written")
    assert [line["grpc"] for line in gateway.log_lines(request_id)] == ["8"]


# Statuses of Envoy and grpcio that are hard to provoke in a test, and their meaning.
SAID = [
    ("UNKNOWN", "stream timeout", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    ("UNAVAILABLE", "upstream request timeout", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    ("UNAVAILABLE", "reached concurrency limit", "RESOURCE_EXHAUSTED", "TOO_MANY_CALLS"),
    (
        "RESOURCE_EXHAUSTED",
        "Concurrent RPC limit exceeded!",
        "RESOURCE_EXHAUSTED",
        "TOO_MANY_CALLS",
    ),
    (
        "RESOURCE_EXHAUSTED",
        "SERVER: Received message larger than max (2 vs. 1)",
        "RESOURCE_EXHAUSTED",
        "MESSAGE_TOO_LARGE",
    ),
    ("INTERNAL", "Exception deserializing request!", "INTERNAL", "INTERNAL"),
]


@pytest.mark.parametrize(("code", "said", "meant", "reason"), SAID)
def test_a_status_without_details_gets_them(
    channel: grpc.Channel, upstream: Upstream, *, code: str, said: str, meant: str, reason: str
) -> None:
    upstream.answers["ListRules"] = bare(grpc.StatusCode[code], said)
    assert list_rules(channel) == (meant, reason)


def test_a_code_that_only_services_use_is_left_unchanged(
    channel: grpc.Channel, upstream: Upstream
) -> None:
    upstream.answers["ListRules"] = bare(grpc.StatusCode.NOT_FOUND, "unknown service")
    failed = MemberLevelStub(channel).ListRules.future(ListRulesRequest())
    assert (failed.code(), failed.details()) == (grpc.StatusCode.NOT_FOUND, "unknown service")


def test_the_message_of_a_library_is_not_passed_on(
    channel: grpc.Channel, upstream: Upstream
) -> None:
    upstream.answers["ListRules"] = raising
    failed = MemberLevelStub(channel).ListRules.future(ListRulesRequest())
    assert failed.details() == REASONS["INTERNAL"].message
    assert failed.code() is grpc.StatusCode.INTERNAL


def test_the_message_of_a_service_is_passed_on(channel: grpc.Channel, upstream: Upstream) -> None:
    upstream.answers["ListRules"] = failing(grpc.StatusCode.INTERNAL, "words of ours")
    assert (
        MemberLevelStub(channel).ListRules.future(ListRulesRequest()).details() == "words of ours"
    )
