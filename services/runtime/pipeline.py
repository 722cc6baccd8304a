"""The request pipeline of a service, the same for every transport.

context -> errors -> telemetry -> auth -> decoding -> validation -> servicer -> encoding. It is one
function instead of a stack of interceptors, because each wrapper costs every call and hides the
order. A transport hands in the bytes of a message, and sends the bytes or the status that it gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from levelgate.access.v1.reason_pb2 import (
    REASON_DEADLINE_EXCEEDED,
    REASON_METHOD_UNKNOWN,
    REASON_STORE_UNAVAILABLE,
    REASON_TOO_MANY_CALLS,
    REASON_TOO_MANY_STREAMS,
)
from services.runtime.admission import Admission
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.call import Call, Caller, Context, set_current_caller
from services.runtime.cancellation import caller_left
from services.runtime.errors import CallEndedError, Failure, as_failure, to_status
from services.runtime.health import StoreWatch
from services.runtime.telemetry import Telemetry
from services.runtime.validation import Validator
from services.store import deadline

if TYPE_CHECKING:
    from services.runtime.methods import Method

# Both raise CallEndedError, which has the status of a failed call.
Unary = Callable[[bytes, Call, Any], bytes]
# Unpacks the message when the call has been admitted.
LongUnary = Callable[[Callable[[], bytes], Call, Any], bytes]
Stream = Callable[[Iterator[bytes], Call, Any], Iterator[bytes]]

# Clocks differ by as much: what ends a call at its deadline may come a moment before it.
_CLOCK_SECONDS = 0.005

# What is counted and logged in place of a path that a caller made up.
UNKNOWN_METHOD = "/unknown/unknown"


@dataclass(frozen=True)
class Gate:
    """What a call must pass before it is looked at."""

    watch: StoreWatch
    policy: Policy
    app_rate: AppRate

    def recognise(self, call: Call) -> Caller:
        """Who calls. Raises Failure where that is nobody who may."""
        self.watch.require_available()
        return self.policy.admit(call.method, call.authorization)

    def admit(self, call: Call) -> None:
        """Raises Failure; else the caller is known to what follows in this thread."""
        caller = self.recognise(call)
        if caller.appid is not None:
            self.app_rate.take(caller.appid)
        set_current_caller(caller)


class Pipeline:
    """Wraps the methods of the levelgate contracts for a transport."""

    def __init__(
        self,
        gate: Gate,
        validator: Validator,
        telemetry: Telemetry,
        *,
        streams: int,
        long_calls: int,
    ) -> None:
        self._gate = gate
        self._validator = validator
        self._telemetry = telemetry
        self._streams = Admission(streams, REASON_TOO_MANY_STREAMS, "streams")
        self._long_calls = long_calls

    def unary(self, method: Method) -> Unary:
        """One message in, one message out, on the threads of short calls."""
        handler = method.handler
        behaviour = _known(handler.unary_unary)
        decode = _known(handler.request_deserializer)
        encode = _known(handler.response_serializer)

        def answer(message: bytes, call: Call, context: Any) -> bytes:
            # Spelled out, not `_finishing`: this is the path of every check, and wrappers cost.
            started = time.perf_counter()
            try:
                deadline.begin(call.seconds_left)
                self._gate.admit(call)
                request = decode(message)
                self._validator.validate(request)
                reply: bytes = encode(behaviour(request, context))
            except Exception as error:
                left = _seconds_left(call, started)
                raise CallEndedError(self._failed(call, started, error, left)) from None
            self._telemetry.finished(call, started)
            return reply

        return answer

    def long_unary(self, method: Method) -> LongUnary:
        """As `unary`, but only so many at a time, and a caller who leaves is noticed."""
        handler = method.handler
        behaviour = _known(handler.unary_unary)
        decode = _known(handler.request_deserializer)
        encode = _known(handler.response_serializer)
        # Each method by itself: callers who wait for a demotion do not keep previews waiting.
        name = method.path.rpartition("/")[2]
        admission = Admission(self._long_calls, REASON_TOO_MANY_CALLS, f"calls of {name}")

        def answer(read: Callable[[], bytes], call: Call, context: Context) -> bytes:
            with self._finishing(call, context), deadline.within(call.seconds_left):
                self._gate.admit(call)
                with admission.slot():
                    request = decode(read())
                    self._validator.validate(request)
                    reply: bytes = encode(behaviour(request, context))
                    return reply

        return answer

    def require_known(self, call: Call) -> None:
        """For a transport that has not read the message yet: what strangers send costs no memory.

        Raises CallEndedError for a caller who may not make this call.
        """
        started = time.perf_counter()
        try:
            with deadline.within(call.seconds_left):
                self._gate.recognise(call)
        except Exception as error:
            left = _seconds_left(call, started)
            raise CallEndedError(self._failed(call, started, error, left)) from None

    def stream(self, method: Method) -> Stream:
        """Messages in or out, or both; each step is decoded and encoded when it is needed."""
        handler = method.handler
        decode = _known(handler.request_deserializer)
        encode = _known(handler.response_serializer)

        def answer(messages: Iterator[bytes], call: Call, context: Context) -> Iterator[bytes]:
            with self._finishing(call, context):
                with deadline.within(call.seconds_left):
                    # The caller is known before a slot is taken: strangers cannot use them up.
                    self._gate.admit(call)
                with self._streams.slot():
                    replies = self._begin(method, map(decode, messages), call, context)
                    while True:
                        # A deadline does not outlive a step: between two the thread is not ours.
                        with deadline.within(context.time_remaining()):
                            reply = next(replies, None)
                        if reply is None:
                            return
                        yield encode(reply)

        return answer

    def _begin(
        self, method: Method, requests: Iterator[Any], call: Call, context: Any
    ) -> Iterator[Any]:
        """The replies of a servicer. Where requests are a stream, it validates each one itself.

        A wrong message need not end the stream: an import rejects a row and goes on.
        """
        handler = method.handler
        with deadline.within(call.seconds_left):
            if handler.stream_stream is not None:
                return iter(handler.stream_stream(requests, context))
            if handler.stream_unary is not None:
                return iter([handler.stream_unary(requests, context)])
            request = next(requests, None)
            if request is None:
                raise DecodeError("no message came")
            self._validator.validate(request)
            return iter(_known(handler.unary_stream)(request, context))

    def refuse(self, call: Call, failure: Failure, *, known: bool = True) -> CallEndedError:
        """Counts and logs a call that a transport refuses; for the transport to raise."""
        call.method = call.method if known else UNKNOWN_METHOD
        self._telemetry.finished(call, time.perf_counter(), failure)
        return CallEndedError(to_status(failure, call.request_id))

    def refuse_unknown(self, call: Call) -> CallEndedError:
        """As `refuse`, for a path that no method has."""
        return self.refuse(call, Failure(REASON_METHOD_UNKNOWN), known=False)

    def failed(self, call: Call, error: Exception) -> CallEndedError:
        """As `refuse`, for an exception of the transport itself."""
        return CallEndedError(self._failed(call, time.perf_counter(), error))

    def _failed(
        self, call: Call, started: float, error: Exception, left: float | None = None
    ) -> grpc.Status:
        """`left` is how many seconds the caller would still wait."""
        failure = as_failure(error)
        if failure.reason == REASON_STORE_UNAVAILABLE:
            if left is not None and left <= _CLOCK_SECONDS:
                # A wait for the store ends with the caller's time, which says nothing of the store.
                failure = Failure(REASON_DEADLINE_EXCEEDED)
            else:
                self._gate.watch.suspect()
        self._telemetry.finished(call, started, failure, error)
        return to_status(failure, call.request_id)

    @contextmanager
    def _finishing(self, call: Call, context: Context) -> Iterator[None]:
        """Counts the call, and ends it with the status of what was raised inside."""
        started = time.perf_counter()
        try:
            yield
        except GeneratorExit:
            self._telemetry.finished(call, started, _left(context))
            raise
        except Exception as error:
            # No other name for the error: a cycle with its traceback would keep the request.
            status = self._failed(
                call,
                started,
                error if context.is_active() else _left(context),
                context.time_remaining(),
            )
            raise CallEndedError(status) from None
        if context.is_active():
            self._telemetry.finished(call, started)
        else:
            raise CallEndedError(self._failed(call, started, _left(context)))


def _seconds_left(call: Call, started: float) -> float | None:
    """For how long the caller still waits, of a call that began at `started`."""
    return None if call.seconds_left is None else call.seconds_left - time.perf_counter() + started


def _left(context: Context) -> Failure:
    """Why a call is over before it was answered."""
    left = context.time_remaining()
    if left is not None and left <= _CLOCK_SECONDS:
        return Failure(REASON_DEADLINE_EXCEEDED)
    return caller_left()


def _known(part: Callable[..., Any] | None) -> Callable[..., Any]:
    # grpcio's handlers have every field; which ones are set follows from the kind of method.
    assert part is not None  # noqa: S101
    return part
