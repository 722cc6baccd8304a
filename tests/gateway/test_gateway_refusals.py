"""gRPC calls that the gateway itself refuses: their code and details."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from levelgate.access.v1.access_tokens_pb2 import GetAccessTokenRequest
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.access.v1.reason_pb2 import Reason
from levelgate.member.v1.member_bulk_pb2 import ExportUsersRequest
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_history_pb2 import WatchLevelsRequest
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.member.v1.member_level_pb2 import ListRulesRequest, ShowUserRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.upbot.v1.eligibility_pb2 import EligibilityBatchCheckRequest
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from services.runtime.error_catalogue import REASONS
from tests.gateway.http2 import grpc_call
from tests.gateway.running import ROOT, Gateway, running_gateway, wait_until
from tests.gateway.test_gateway_streams import SHORT, channel_to
from tests.gateway.upstream import Upstream, bare, failing, raising, slow

MIB = 2**20


@pytest.fixture(scope="module")
def impatient(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("short"), _upstream.ports, SHORT) as running:
        yield running


@pytest.fixture
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    with channel_to(gateway) as channel:
        yield channel


def refusal(call: Any, request: Message, request_id: str = "refused-1") -> tuple[str, str]:
    """Returns the code and the reason, and checks the rest, which is the same for all refusals."""
    begin = call if isinstance(call, grpc.UnaryStreamMultiCallable) else call.future
    failed = begin(request, metadata=(("x-request-id", request_id),), timeout=10)
    assert failed.code() is not grpc.StatusCode.OK
    status = rpc_status.from_call(failed)
    assert status is not None, failed
    info, request_info = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert [status.details[0].Unpack(info), status.details[1].Unpack(request_info)] == [True] * 2
    assert len(status.details) == 2
    assert info.domain == "levelgate"
    assert f"REASON_{info.reason}" in Reason.keys()  # noqa: SIM118  (no dict)
    assert request_info.request_id == request_id
    assert status.message
    return failed.code().name, info.reason


def list_rules(channel: grpc.Channel) -> tuple[str, str]:
    return refusal(MemberLevelStub(channel).ListRules, ListRulesRequest())


def watch(channel: grpc.Channel) -> tuple[str, str]:
    return refusal(MemberHistoryStub(channel).WatchLevels, WatchLevelsRequest())


@pytest.mark.parametrize("limit", ["GATEWAY_RATE_LIMIT", "GATEWAY_TOKEN_RATE_LIMIT"])
def test_too_many_calls_a_second_are_refused(
    upstream: Upstream, tmp_path: Path, limit: str
) -> None:
    with (
        running_gateway(tmp_path, upstream.ports, **{limit: "1"}) as limited,
        channel_to(limited) as channel,
    ):
        call = AccessTokensStub(channel).GetAccessToken
        codes = (call.future(GetAccessTokenRequest()).code() for _ in range(100))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
        assert refusal(call, GetAccessTokenRequest()) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")


@pytest.mark.parametrize("call", [list_rules, watch])
def test_a_call_without_a_healthy_instance_is_refused(
    upstream: Upstream, channel: grpc.Channel, call: Callable[[grpc.Channel], tuple[str, str]]
) -> None:
    upstream.set_healthy("member_level", False)
    try:
        rules = MemberLevelStub(channel).ListRules
        wait_until(
            lambda: rules.future(ListRulesRequest()).code() is grpc.StatusCode.UNAVAILABLE,
            "its health is noticed",
        )
        assert call(channel) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    finally:
        upstream.set_healthy("member_level", True)
        wait_until(
            lambda: rules.future(ListRulesRequest()).code() is grpc.StatusCode.OK, "it is back"
        )


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
    upstream.answers["ListRules"] = slow(3)
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


def test_a_call_above_the_limit_of_calls_in_progress_is_refused(
    upstream: Upstream, tmp_path: Path
) -> None:
    changes = {"max_requests: 1024, max_retries": "max_requests: 1, max_retries"}
    upstream.answers["ShowUser"] = slow(1)
    with (
        running_gateway(tmp_path, upstream.ports, changes) as small,
        channel_to(small) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        first: Future[Any] = pool.submit(MemberLevelStub(channel).ShowUser, ShowUserRequest())
        wait_until(lambda: bool(upstream.calls), "the first call is in progress")
        assert list_rules(channel) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS")
        first.result()


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


Header = tuple[str, str | bytes]
RULES = "/levelgate.member.v1.MemberLevel/ListRules"
TE: Header = ("te", "trailers")
EMPTY_MESSAGE = b"\0\0\0\0\0"
MALFORMED: dict[str, tuple[str, list[Header], bytes]] = {
    "no te": ("POST", [], EMPTY_MESSAGE),
    "no POST": ("PUT", [TE], EMPTY_MESSAGE),
    "GET": ("GET", [TE], b""),
    "HEAD": ("HEAD", [TE], b""),
    "no message": ("POST", [TE], b""),
}
ODD_TOKENS = [b"SECRET\xe9", "SECRET令牌".encode(), b"SECRET\t"]


def refused(answer: dict[str, str]) -> tuple[str, str]:
    """Returns the code and the reason of an answer's headers."""
    encoded = answer["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(b64decode(encoded + "=" * (-len(encoded) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (answer[":status"], info.domain) == ("200", "levelgate")
    assert answer["grpc-status"] == str(status.code)
    return answer["grpc-status"], info.reason


@pytest.mark.parametrize(("method", "headers", "body"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_grpc_call_reaches_no_service(
    gateway: Gateway,
    upstream: Upstream,
    method: str,
    headers: list[Header],
    body: bytes,
) -> None:
    # grpcio would reset such a call, and Envoy would count that against the instance.
    answer = grpc_call(gateway.port, RULES, headers, body, method)
    assert refused(answer) == ("3", "INVALID_PARAMETER")
    assert upstream.calls == []


def test_a_stream_may_begin_without_a_message(gateway: Gateway) -> None:
    answer = grpc_call(gateway.port, "/levelgate.upbot.v1.Eligibility/StreamCheck", [TE], b"")
    assert answer["grpc-status"] == "0"


@pytest.mark.parametrize("token", ODD_TOKENS)
def test_a_token_that_is_not_printable_reaches_no_service_and_no_log(
    gateway: Gateway, upstream: Upstream, token: bytes
) -> None:
    headers: list[Header] = [TE, ("authorization", token), ("x-request-id", "odd-token")]
    assert refused(grpc_call(gateway.port, RULES, headers)) == ("16", "TOKEN_INVALID")
    assert upstream.calls == []
    wait_until(lambda: bool(gateway.log_lines("odd-token")), "the log is written")
    assert "SECRET" not in gateway.access_log + gateway.own_log


def test_metadata_that_no_library_can_decode_is_not_passed_on(
    gateway: Gateway, upstream: Upstream
) -> None:
    # grpcio would log it.
    secret = b"SECRET\xe9"
    headers = [TE, ("user-agent", secret), ("x-openid", secret), ("x-other", "a b")]
    assert grpc_call(gateway.port, RULES, headers)["grpc-status"] == "0"
    (call,) = upstream.calls
    assert call.metadata["x-other"] == "a b"
    assert "SECRET" not in str(call.metadata) + gateway.own_log
