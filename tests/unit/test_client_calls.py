"""Calls of the client while their token is being fetched from a slow, silent or missing server."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from levelgate import deferred, tokens
from levelgate.access.v1.access_tokens_pb2 import GetAccessTokenResponse, TokenPair
from levelgate.client import TokenError, connect
from tests.stack.waiting import until

SHAPES = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
SECRET = "a-secret-that-nobody-may-see"


class Server(grpc.GenericRpcHandler):
    """Issues tokens while `gives_tokens` is set. Answers other calls with an empty message."""

    def __init__(self, port: int = 0) -> None:
        self.gives_tokens = threading.Event()
        self.gives_tokens.set()
        self.refusal: grpc.StatusCode | None = None
        self.call_refusal: grpc.StatusCode | None = None
        self.asked = 0
        self.served: list[tuple[str, float]] = []
        """The token and the remaining seconds of each call."""
        self._server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        self._server.start()

    def stop(self) -> None:
        self.gives_tokens.set()
        self._server.stop(0).wait()

    def service(self, call: Any) -> Any:
        name = call.method.rpartition("/")[2]
        if name in SHAPES:
            answer = self._stream if name.endswith("stream") else self._unary
            return getattr(grpc, f"{name}_rpc_method_handler")(answer)
        return grpc.unary_unary_rpc_method_handler(
            self._give, response_serializer=GetAccessTokenResponse.SerializeToString
        )

    def _give(self, _request: bytes, context: Any) -> GetAccessTokenResponse:
        self.asked += 1
        number = self.asked
        while context.is_active() and not self.gives_tokens.wait(0.05):
            pass
        if self.refusal is not None:
            context.abort(self.refusal, "not you")
        pair = TokenPair(access_token=f"a{number}", refresh_token="r", expires_in=7200)
        return GetAccessTokenResponse(data=pair)

    def _unary(self, _request: Any, context: Any) -> bytes:
        token = dict(context.invocation_metadata())["authorization"]
        self.served.append((token, context.time_remaining()))
        if self.call_refusal is not None:
            context.abort(self.call_refusal, "not this token")
        return b""

    def _stream(self, request: Any, context: Any) -> Iterator[bytes]:
        yield self._unary(request, context)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@contextmanager
def silent() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def opened(server: Server, token_target: str | None = None) -> Any:
    return connect(server.address, appid="app", app_secret=SECRET, token_target=token_target)


def begin(channel: grpc.Channel, shape: str, **options: Any) -> Any:
    """Starts a call without waiting for it."""
    method = getattr(channel, shape)(f"/any/{shape}")
    request = iter([b""]) if shape.startswith("stream") else b""
    return (method if shape.endswith("stream") else method.future)(request, **options)


def finish(call: Any, shape: str) -> bytes:
    answer: bytes = next(call) if shape.endswith("stream") else call.result()
    return answer


def unary(channel: grpc.Channel, **options: Any) -> bytes:
    method: Any = channel.unary_unary("/any/unary_unary")
    answer: bytes = method(b"", **options)
    return answer


@pytest.mark.parametrize("is_http2", [False, True])
def test_calls_begin_immediately_and_end_in_time(server: Server, is_http2: bool) -> None:
    server.gives_tokens.clear()
    with silent() as mute, opened(server, None if is_http2 else mute) as channel:
        began = time.monotonic()
        calls = {shape: begin(channel, shape, timeout=0.5) for shape in SHAPES}
        for call in calls.values():
            assert not call.done()
            assert (call.is_active(), call.running(), call.cancelled()) == (True, True, False)
        for shape, call in calls.items():
            with pytest.raises(TokenError) as failed:
                finish(call, shape)
            # Once, calls waited for the time limit of the fetch, 5 seconds.
            assert 0.4 < time.monotonic() - began < 3
            assert failed.value.code() is call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert (call.done(), call.is_active()) == (True, False)
            target = server.address if is_http2 else mute
            assert call.details() == f"no answer from {target} within 0.5 seconds"
    assert server.served == []


def test_each_thread_gives_up_at_its_own_deadline(server: Server) -> None:
    server.gives_tokens.clear()
    took: dict[float, float] = {}

    def call(channel: grpc.Channel, timeout: float) -> None:
        began = time.monotonic()
        with pytest.raises(TokenError):
            unary(channel, timeout=timeout)
        took[timeout] = time.monotonic() - began

    with opened(server) as channel, futures.ThreadPoolExecutor(4) as pool:
        timeouts = [0.2, 0.3, 0.4, 0.5]
        list(pool.map(lambda timeout: call(channel, timeout), timeouts))
    assert all(timeout - 0.05 < took[timeout] < timeout + 2 for timeout in timeouts)
    assert server.asked == 1


def test_calls_share_a_fetch_and_continue_when_it_ends(server: Server) -> None:
    server.gives_tokens.clear()
    with opened(server) as channel:
        calls = [(begin(channel, shape, timeout=10), shape) for shape in SHAPES * 3]
        done: list[Any] = []
        for call, _ in calls:
            call.add_done_callback(done.append)
        until(lambda: server.asked == 1, "the token is asked for")
        waited = time.monotonic() + 0.3
        until(lambda: time.monotonic() > waited, "the fetch takes its time")
        server.gives_tokens.set()
        assert [finish(*each) for each in calls] == [b""] * len(calls)
        # A stream ends after its message.
        until(lambda: len(done) == len(calls), "the callbacks are called")
        assert set(done) == {call for call, _ in calls}
        assert {call.code() for call, _ in calls} == {grpc.StatusCode.OK}
    assert server.asked == 1
    # The time for the token is subtracted from the time of the call.
    assert all(token == "a1" and left < 9.8 for token, left in server.served)


def test_a_call_can_be_cancelled_before_it_is_sent(server: Server) -> None:
    server.gives_tokens.clear()
    with opened(server) as channel:
        for shape in SHAPES:
            call = begin(channel, shape, timeout=10)
            over = threading.Event()
            assert call.add_callback(over.set)
            assert call.cancel()
            assert over.wait(5)
            assert (call.cancelled(), call.code()) == (True, grpc.StatusCode.CANCELLED)
            is_stream = shape.endswith("stream")
            with pytest.raises(TokenError if is_stream else grpc.FutureCancelledError):
                finish(call, shape)
        server.gives_tokens.set()
        assert unary(channel, timeout=10) == b""
    assert len(server.served) == 1


def test_waiting_for_a_result_can_be_limited(server: Server) -> None:
    server.gives_tokens.clear()
    with opened(server) as channel:
        call = begin(channel, "unary_unary", timeout=10)
        with pytest.raises(grpc.FutureTimeoutError):
            call.result(timeout=0.1)
        server.gives_tokens.set()
        assert call.result(timeout=10) == b""
        assert call.exception() is None


def test_wait_for_ready_applies_to_the_token(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with opened(server, f"127.0.0.1:{port}") as channel:
        waiting = begin(channel, "unary_unary", timeout=30, wait_for_ready=True)
        with pytest.raises(TokenError) as refused:
            unary(channel, timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not waiting.done()
        late = Server(port)
        try:
            assert waiting.result() == b""
        finally:
            late.stop()


def test_a_fetch_without_an_answer_is_repeated_while_the_call_has_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_FETCH_SECONDS", 0.3)
    server.gives_tokens.clear()
    with opened(server) as channel:
        with pytest.raises(TokenError) as failed:
            unary(channel)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        call = begin(channel, "unary_unary", timeout=20)
        until(lambda: server.asked == 3, "the token is asked for again")
        server.gives_tokens.set()
        assert call.result() == b""


def test_the_thread_of_a_cancelled_call_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_FETCH_SECONDS", 0.3)
    server.gives_tokens.clear()
    with opened(server) as channel:
        # There is no deadline, so only the cancellation can end it.
        assert begin(channel, "unary_unary", wait_for_ready=True).cancel()
        until(lambda: not any(map(waits, threading.enumerate())), "its thread ends")


def waits(thread: threading.Thread) -> bool:
    return thread.name == deferred.THREAD_NAME


def test_errors_of_the_token_and_of_the_call_can_be_distinguished(server: Server) -> None:
    server.refusal = grpc.StatusCode.UNAUTHENTICATED
    with opened(server) as channel:
        starts: tuple[Any, ...] = (unary, lambda on: begin(on, "unary_unary").result())
        for start in starts:
            with pytest.raises(TokenError, match=r"GetAccessToken: UNAUTHENTICATED: not you") as e:
                start(channel)
            assert isinstance(e.value, grpc.RpcError)
            assert e.value.code() is server.refusal
            assert SECRET not in f"{e.value} {e.value!r} {e.value.trailing_metadata()}"
        # The issuer's own DEADLINE_EXCEEDED is not mistaken for the time limit of the fetch.
        server.refusal, asked = grpc.StatusCode.DEADLINE_EXCEEDED, server.asked
        calls = [begin(channel, "unary_unary", timeout=2) for _ in range(2)]
        assert {call.exception().details() for call in calls} == {"not you"}
        assert server.asked <= asked + 2
        server.refusal, server.call_refusal = None, grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as of_the_call:
            unary(channel)
        assert not isinstance(of_the_call.value, TokenError)
        # The refused token was thrown away, and the next call fetches one, once.
        server.call_refusal = None
        asked = server.asked
        assert [unary(channel), unary(channel)] == [b"", b""]
        assert server.asked == asked + 1


def test_calls_end_when_the_channel_is_closed(server: Server) -> None:
    server.gives_tokens.clear()
    with opened(server) as channel:
        call = begin(channel, "unary_unary", wait_for_ready=True)
        until(lambda: server.asked == 1, "the token is asked for")
    assert call.code() is grpc.StatusCode.CANCELLED
    assert begin(channel, "unary_unary").code() is grpc.StatusCode.CANCELLED


def test_each_caller_of_a_failed_fetch_gets_its_own_exception(server: Server) -> None:
    server.gives_tokens.clear()
    server.refusal = grpc.StatusCode.UNAVAILABLE
    with opened(server) as channel:
        calls = [begin(channel, "unary_unary", timeout=10) for _ in range(3)]
        until(lambda: server.asked == 1, "the token is asked for")
        server.gives_tokens.set()
        assert len({id(call.exception()) for call in calls}) == 3
