"""gRPC calls that are begun and never finished. No gRPC client sends them, so these use HTTP/2."""

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamReset

from levelgate.member.v1.member_level_pb2 import ListRulesRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.upbot.v1.upbot_checks_pb2 import CheckStarStateRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from services.access.scopes import descriptor_of
from services.runtime.error_catalogue import REASONS
from services.suite import SUITE
from tests.gateway.families import BUSY, MEMBER, none_failure
from tests.gateway.running import Gateway, channel_to, running_gateway, wait_until
from tests.gateway.upstream import SERVED_BY, Upstream

BATCH = "/levelgate.upbot.v1.Eligibility/BatchCheck"
STREAM = "/levelgate.upbot.v1.Eligibility/StreamCheck"
# Every method of the public services whose request is one message.
ONE_MESSAGE = [
    f"/{name}/{method.name}"
    for service in SUITE
    for name in service.public
    for method in descriptor_of(name).methods
    if not method.client_streaming
]
UNFINISHED = b"\0\0\0\0\x08half"


class Half:
    """One connection with half-sent calls; `statuses` is how each one ended."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self.statuses: dict[int, status_pb2.Status] = {}
        self.resets = 0
        self._ended: set[int | None] = set()

    def begin(self, path: str, sent: bytes = UNFINISHED) -> None:
        stream = self._h2.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)]
        headers += [("content-type", "application/grpc"), ("te", "trailers")]
        self._h2.send_headers(stream, [*headers, ("x-request-id", str(stream))])
        while sent and stream not in self._ended:
            size = min(len(sent), self._h2.local_flow_control_window(stream), 16_384)
            if size == 0:
                self._read()
                continue
            self._h2.send_data(stream, sent[:size])
            sent = sent[size:]
        self._flush()

    def read_ends(self, number: int) -> None:
        while len(self.statuses) + self.resets < number:
            self._read()

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())

    def _read(self) -> None:
        self._flush()
        data = self._socket.recv(65_536)
        assert data, "the gateway closed the connection"
        for event in self._h2.receive_data(data):
            if isinstance(event, ResponseReceived):
                fields = {str(name): str(value) for name, value in event.headers or ()}
                details = base64.b64decode(fields["grpc-status-details-bin"] + "==")
                self.statuses[event.stream_id or 0] = status_pb2.Status.FromString(details)
                self._ended.add(event.stream_id)
            elif isinstance(event, StreamReset) and event.stream_id not in self.statuses:
                self.resets += 1
                self._ended.add(event.stream_id)
        self._flush()


@contextmanager
def half_open(gateway: Gateway) -> Iterator[Half]:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        yield Half(connection)


def sent_to_services(gateway: Gateway) -> int:
    return sum(gateway.counter(f"cluster.{name}.upstream_rq_total") for name in SERVED_BY)


def check(channel: grpc.Channel) -> None:
    UpbotChecksStub(channel).CheckStarState(CheckStarStateRequest(openid="whole"), timeout=5)


def test_half_a_call_reaches_no_service_and_ends(impatient: Gateway) -> None:
    sent_before = sent_to_services(impatient)
    with half_open(impatient) as half:
        for path in ONE_MESSAGE:
            for sent in (b"", UNFINISHED):
                half.begin(path, sent)
        half.read_ends(2 * len(ONE_MESSAGE))
    assert sent_to_services(impatient) == sent_before
    assert half.resets == 0
    for stream, status in half.statuses.items():
        assert status.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        info, request_info = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
        assert status.details[0].Unpack(info)
        assert status.details[1].Unpack(request_info)
        assert (info.domain, info.reason) == ("levelgate", "DEADLINE_EXCEEDED")
        assert request_info.request_id == str(stream)


def test_half_a_stream_ends_too(impatient: Gateway) -> None:
    with half_open(impatient) as half:
        half.begin(STREAM)
        half.read_ends(1)
    assert [each.code for each in half.statuses.values()] == [4]


# The calls that a service may have in progress, in two classes; here one call of each.
SMALL = {
    "max_requests: 1024, max_retries": "max_requests: 1, max_retries",
    "max_pending_requests: 256, max_requests: 1024": "max_pending_requests: 256, max_requests: 1",
}


@pytest.fixture(scope="module")
def small(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("small"), _upstream.ports, SMALL) as running:
        yield running


def test_half_open_calls_do_not_count_as_calls_in_progress(small: Gateway) -> None:
    with half_open(small) as half, channel_to(small) as channel:
        for path in ONE_MESSAGE * 3:
            half.begin(path)
        wait_until(
            lambda: small.counter("http.gateway.downstream_rq_active") >= 3 * len(ONE_MESSAGE),
            "the gateway has read them",
        )
        check(channel)
        MemberLevelStub(channel).ListRules(ListRulesRequest(), timeout=5)


def test_streams_take_no_capacity_from_other_calls(small: Gateway) -> None:
    with half_open(small) as half, channel_to(small) as channel:
        half.begin(STREAM)
        half.begin(STREAM)
        half.read_ends(1)  # Only one stream is allowed, so the second one was refused.
        assert [each.code for each in half.statuses.values()] == [8]
        check(channel)


def test_the_memory_of_half_open_calls_is_bounded(upstream: Upstream, tmp_path: Path) -> None:
    calls, message = 32, b"\0\0\x3f\xff\xff" + b"a" * 4_000_000
    with (
        running_gateway(tmp_path, upstream.ports, GATEWAY_HEAP_MIB="128") as small,
        half_open(small) as half,
        channel_to(small) as channel,
    ):
        for _ in range(calls):
            half.begin(BATCH, message)
        half.read_ends(1)
        assert half.resets > 0
        check(channel)


@dataclass
class Pressure:
    """Reports a chosen memory usage to a gateway instead of the real one."""

    path: Path

    @property
    def changes(self) -> dict[str, str]:
        return {
            "fixed_heap.v3.FixedHeapConfig": "injected_resource.v3.InjectedResourceConfig",
            f"max_heap_size_bytes: {384 << 20}": f"filename: {self.path}",
        }

    def set(self, value: float) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(str(value))
        fresh.rename(self.path)


def test_the_calls_that_hold_most_are_ended_first_and_new_ones_are_refused_last(
    upstream: Upstream, tmp_path: Path
) -> None:
    pressure = Pressure(tmp_path / "pressure")
    pressure.set(0)
    with (
        running_gateway(tmp_path, upstream.ports, pressure.changes) as pressed,
        half_open(pressed) as half,
        channel_to(pressed) as channel,
    ):
        half.begin(BATCH, UNFINISHED + b"a" * 3_000_000)
        check(channel)
        pressure.set(0.81)
        half.read_ends(1)
        assert half.resets == 1
        check(channel)
        pressure.set(0.99)
        wait_until(lambda: MEMBER.call(pressed).status_code == 503, "it refuses")
        reply = MEMBER.call(pressed)
        assert (reply.status_code, reply.text) == (503, none_failure(503, BUSY))
        refused = UpbotChecksStub(channel).CheckStarState.future(CheckStarStateRequest())
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.details() == REASONS["TOO_MANY_CALLS"].message
        pressure.set(0)
        wait_until(lambda: MEMBER.call(pressed).status_code == 200, "it is over")
        check(channel)
