"""The way of a call through a service, told in one place.

context -> errors -> telemetry -> auth -> validation -> servicer: one function instead of a stack
of interceptors, because each wrapper costs every call and hides the order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from levelgate.access.v1.reason_pb2 import (
    REASON_STORE_UNAVAILABLE,
    REASON_TOO_MANY_STREAMS,
    REASON_UNSPECIFIED,
)
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.call import Call, set_current_caller
from services.runtime.errors import Failure, as_failure, to_status
from services.runtime.health import StoreWatch
from services.runtime.telemetry import Telemetry
from services.runtime.validation import Validator
from services.store import deadline

if TYPE_CHECKING:
    # The stubs make it generic; grpcio's own class is not.
    Handler = grpc.RpcMethodHandler[Any, Any]

Behaviour = Callable[[Any, grpc.ServicerContext], Any]

# Threads beyond the streams that are let in, to refuse those that are not.
_SPARE_THREADS = 2


@dataclass(frozen=True)
class Gate:
    """What a call must pass before it is looked at."""

    watch: StoreWatch
    policy: Policy
    app_rate: AppRate

    def admit(self, call: Call) -> None:
        """Raises Failure; else the caller is known to what follows in this thread."""
        self.watch.require_available()
        caller = self.policy.admit(call.method, call.authorization)
        if caller.appid is not None:
            self.app_rate.take(caller.appid)
        set_current_caller(caller)


class Pipeline(grpc.ServerInterceptor):
    """Wraps the methods of the levelgate contracts; health and reflection pass untouched."""

    def __init__(
        self,
        gate: Gate,
        validator: Validator,
        telemetry: Telemetry,
        streams: int,
    ) -> None:
        self._gate = gate
        self._validator = validator
        self._telemetry = telemetry
        self._handlers: dict[str, Handler] = {}
        # A stream may last for hours and holds a thread all the while, so streams have threads
        # of their own and cannot keep the other calls waiting.
        self._streams = streams
        self._free_streams = threading.BoundedSemaphore(streams)
        self._stream_threads = ThreadPoolExecutor(streams + _SPARE_THREADS, "stream")

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        method = handler_call_details.method
        known = self._handlers.get(method)
        if known is not None:
            return known
        handler = continuation(handler_call_details)
        if handler is None or not method.startswith("/levelgate."):
            return handler
        self._handlers[method] = self._wrap(method, handler)
        return self._handlers[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        serialisation = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary is not None:
            behaviour = self._answer(method, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(behaviour, *serialisation)
        if handler.stream_unary is not None:
            behaviour = self._answer_stream(method, handler.stream_unary)
            return grpc.stream_unary_rpc_method_handler(behaviour, *serialisation)
        if handler.unary_stream is not None:
            behaviour = self._answer_with_stream(method, handler.unary_stream, self._validator)
            return grpc.unary_stream_rpc_method_handler(behaviour, *serialisation)
        assert handler.stream_stream is not None  # noqa: S101  (the only kind that is left)
        behaviour = self._answer_with_stream(method, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(behaviour, *serialisation)

    def _answer(self, method: str, behaviour: Behaviour) -> Behaviour:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            # Spelled out, not `_told`: this is the way of every check, and each wrapper costs.
            started = time.perf_counter()
            call = Call.of(method, context)
            try:
                deadline.begin(call.seconds_left)
                self._gate.admit(call)
                self._validator.validate(request)
                reply = behaviour(request, context)
            except Exception as error:
                failure = self._failure(error)
                self._telemetry.finished(call, started, failure, error)
                context.abort_with_status(to_status(failure, call.request_id))
            self._telemetry.finished(call, started)
            return reply

        return answer

    def _answer_stream(self, method: str, behaviour: Behaviour) -> Behaviour:
        def answer(requests: Any, context: grpc.ServicerContext) -> Any:
            with (
                self._told(method, context) as call,
                self._stream_of(call),
                deadline.within(call.seconds_left),
            ):
                self._gate.admit(call)
                # The servicer validates each message itself: a wrong one must not end the stream.
                return behaviour(requests, context)

        return self._on_stream_threads(answer)

    def _answer_with_stream(
        self, method: str, behaviour: Behaviour, validator: Validator | None = None
    ) -> Behaviour:
        """Without a validator the request is a stream too, and left to the servicer."""

        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._told(method, context) as call, self._stream_of(call):
                with deadline.within(call.seconds_left):
                    self._gate.admit(call)
                    if validator is not None:
                        validator.validate(request)
                    replies = iter(behaviour(request, context))
                while True:
                    # A deadline does not outlive a step: between two the thread is not ours.
                    with deadline.within(context.time_remaining()):
                        reply = next(replies, None)
                    if reply is None:
                        return
                    yield reply

        return self._on_stream_threads(answer)

    def _failure(self, error: Exception) -> Failure:
        failure = as_failure(error)
        if failure.reason == REASON_STORE_UNAVAILABLE:
            self._gate.watch.suspect()
        return failure

    def _on_stream_threads(self, behaviour: Behaviour) -> Behaviour:
        # What grpcio offers for this; `experimental` in name since 2018.
        behaviour.experimental_thread_pool = self._stream_threads  # type: ignore[attr-defined]
        return behaviour

    @contextmanager
    def _stream_of(self, call: Call) -> Iterator[None]:
        if not self._free_streams.acquire(blocking=False):
            message = f"{call.method}: this instance serves {self._streams} streams, all it may"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            raise Failure(code, REASON_TOO_MANY_STREAMS, message)
        try:
            yield
        finally:
            self._free_streams.release()

    @contextmanager
    def _told(self, method: str, context: grpc.ServicerContext) -> Iterator[Call]:
        """Ends the call with the status of what was raised inside, and counts it."""
        started = time.perf_counter()
        call = Call.of(method, context)
        try:
            yield call
        except GeneratorExit:
            self._telemetry.finished(call, started, _the_caller_left())
            raise
        except Exception as error:
            failure = self._failure(error) if context.is_active() else _the_caller_left()
            self._telemetry.finished(call, started, failure, error)
            context.abort_with_status(to_status(failure, call.request_id))
        self._telemetry.finished(call, started)


def _the_caller_left() -> Failure:
    return Failure(grpc.StatusCode.CANCELLED, REASON_UNSPECIFIED, "the caller left")
