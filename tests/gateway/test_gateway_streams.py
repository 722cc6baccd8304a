"""The streaming RPCs: they stay open for as long as their callers like."""

import socket
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import httpx
import pytest

from levelgate.member.v1.demotion_pb2 import RunDemotionRequest, RunDemotionResponse
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_bulk_pb2 import ExportUsersRequest, ImportUsersRequest
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_history_pb2 import WatchLevelsRequest, WatchLevelsResponse
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.upbot.v1.eligibility_pb2 import (
    BatchResult,
    EligibilityStreamCheckRequest,
    EligibilityStreamCheckResponse,
    FindUsersRequest,
    FindUsersResponse,
    SearchProgress,
)
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from tests.gateway.families import BAD, MEMBER, UNKNOWN_PATH, none_failure
from tests.gateway.running import (
    SHORT_SECONDS,
    Gateway,
    channel_to,
    running_gateway,
    wait_until,
)
from tests.gateway.upstream import Upstream, failing, slow


def watch(channel: grpc.Channel, seconds: float | None = None) -> Any:
    return MemberHistoryStub(channel).WatchLevels(WatchLevelsRequest(cursor="c"), timeout=seconds)


def run_demotion(channel: grpc.Channel, seconds: float | None = None) -> Any:
    return DemotionStub(channel).RunDemotion(RunDemotionRequest(plan_id="p"), timeout=seconds)


# Longer than any limit of the impatient gateway.
LONGER = 1.5 * SHORT_SECONDS


def find_users(channel: grpc.Channel, seconds: float | None = None) -> Any:
    return EligibilityStub(channel).FindUsers(FindUsersRequest(cursor="c"), timeout=seconds)


STREAMS = [
    (watch, WatchLevelsResponse(cursor="d")),
    (run_demotion, RunDemotionResponse(percent=7)),
    (find_users, FindUsersResponse(data=SearchProgress(percent=7))),
]


def test_a_stream_may_be_silent_for_longer_than_any_limit(
    impatient: Gateway, upstream: Upstream
) -> None:
    with channel_to(impatient) as channel:
        for call, message in STREAMS:
            stream = call(channel)
            next(stream)
            time.sleep(LONGER)
            upstream.messages.put(message)
            assert next(stream) == message
            stream.cancel()


def test_a_bidirectional_stream_passes_each_message_at_once_and_may_pause(
    impatient: Gateway, upstream: Upstream
) -> None:
    asked: SimpleQueue[EligibilityStreamCheckRequest | None] = SimpleQueue()
    upstream.answers["StreamCheck"] = lambda request, _context: EligibilityStreamCheckResponse(
        data=BatchResult(openids=request.openids)
    )
    with channel_to(impatient) as channel:
        replies = EligibilityStub(channel).StreamCheck(iter(asked.get, None))
        for openid in ("a", "b"):
            asked.put(EligibilityStreamCheckRequest(openids=[openid]))
            assert list(next(replies).data.openids) == [openid]
            time.sleep(LONGER)
        asked.put(None)
        assert list(replies) == []
    assert upstream.calls[0].seconds_left > 10**8  # grpcio's value for no deadline


def test_a_call_that_is_no_stream_is_ended_by_the_limit(
    impatient: Gateway, upstream: Upstream
) -> None:
    # This shows that the gateway of the tests above has the limit.
    upstream.answers["LevelDown"] = slow(2)
    started = time.monotonic()
    assert impatient.client.get("/leveldown").status_code == 504
    assert time.monotonic() - started < 1.9


def test_a_body_that_never_arrives_gets_an_error_of_the_family(impatient: Gateway) -> None:
    request = b"POST /vipBiz HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{"
    head, _, body = impatient.raw(request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert body.decode() == MEMBER.failure(1001, BAD)


def test_the_caller_of_a_stream_may_set_a_deadline(gateway: Gateway, upstream: Upstream) -> None:
    with channel_to(gateway) as channel:
        started = time.monotonic()
        # Long enough for an answer even if the machine stalls for a second.
        streams = [call(channel, 2) for call, _ in STREAMS]
        for stream in streams:
            next(stream)
        for stream in streams:
            with pytest.raises(grpc.RpcError):
                next(stream)
            assert stream.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 6
        assert all(call.seconds_left < 3 for call in upstream.calls)


@pytest.mark.parametrize(("call", "rpc"), [(watch, "WatchLevels"), (run_demotion, "RunDemotion")])
@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_a_stream_ends_with_the_status_of_the_service_and_is_not_retried(
    gateway: Gateway, upstream: Upstream, call: Any, rpc: str, code: grpc.StatusCode
) -> None:
    upstream.answers[rpc] = failing(code, "说")
    with channel_to(gateway) as channel:
        stream = call(channel)
        assert (stream.code(), stream.details()) == (code, "说")
    assert len(upstream.calls) == 1


def test_a_stream_continues_while_the_gateway_drains_and_does_not_delay_its_end(
    upstream: Upstream, tmp_path: Path
) -> None:
    message = WatchLevelsResponse(cursor="d")
    draining = {"GATEWAY_LINGER_SECONDS": "1", "GATEWAY_DRAIN_SECONDS": "1"}
    with (
        running_gateway(tmp_path, upstream.ports, **draining) as leaving,
        channel_to(leaving) as channel,
    ):
        stream = watch(channel)
        next(stream)
        leaving.process.terminate()
        health = f"http://127.0.0.1:{leaving.port}/healthz"
        wait_until(lambda: httpx.get(health).status_code == 503, "it drains")
        upstream.messages.put(message)
        assert next(stream) == message
        started = time.monotonic()
        with pytest.raises(grpc.RpcError):
            next(stream)
        assert stream.code() == grpc.StatusCode.UNAVAILABLE  # this tells a caller to reconnect
        assert leaving.process.wait(10) == 0
        assert time.monotonic() - started < 5


def test_a_caller_that_vanishes_without_closing_its_connection_is_noticed(
    upstream: Upstream, tmp_path: Path
) -> None:
    # Nothing else would end its watch, and the number of watches of an instance is limited.
    changes = {"interval: 30s, timeout: 20s": "interval: 0.3s, timeout: 0.3s"}
    with (
        running_gateway(tmp_path, upstream.ports, changes) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as silent,
    ):
        silent.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        started = time.monotonic()
        while silent.recv(65536):
            pass
        assert time.monotonic() - started < 8


def test_the_streams_for_operators_are_not_reachable(gateway: Gateway, upstream: Upstream) -> None:
    with channel_to(gateway) as channel:
        bulk = MemberBulkStub(channel)
        export = bulk.ExportUsers(ExportUsersRequest(), timeout=5)
        assert export.code() == grpc.StatusCode.UNIMPLEMENTED
        load = bulk.ImportUsers.future(iter([ImportUsersRequest()]), timeout=5)
        assert load.code() == grpc.StatusCode.UNIMPLEMENTED
    for rpc in (
        "MemberBulk/ExportUsers",
        "MemberBulk/ImportUsers",
        "MemberHistory/WatchLevels",
        "Demotion/RunDemotion",
    ):
        # JSON clients do not reach any stream either.
        reply = gateway.client.post(f"/levelgate.member.v1.{rpc}", json={})
        assert (reply.status_code, reply.text) == (404, none_failure(404, UNKNOWN_PATH))
    assert upstream.calls == []
