"""The request pipeline of a service, the same for every transport.

context -> errors -> telemetry -> auth -> decoding -> validation -> servicer -> encoding. It is one
function instead of a stack of interceptors, because each wrapper costs every call and hides the
order. A transport passes in the bytes of a message, and sends the bytes or the status that it gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from services.runtime.call import Call, Context
from services.runtime.cancellation import caller_left
from services.runtime.errors import CallEndedError, Failure, as_failure, to_status
from services.runtime.gate import Gate
from services.runtime.telemetry import Telemetry
from services.runtime.validation import Validator
from services.store import deadline

if TYPE_CHECKING:
    from services.runtime.methods import Method

# All of these raise CallEndedError, which has the status of the failed call.
Unary = Callable[[bytes, Call, Any], bytes]
# The first argument decompresses the message; it is called once the call is admitted.
LongUnary = Callable[[Callable[[], bytes], Call, Any], bytes]
Stream = Callable[[Iterator[bytes], Call, Any], Iterator[bytes]]

# Clocks may differ by this much: a call can end at its deadline a moment before it, by our clock.
_CLOCK_SECONDS = 0.005

# Counted and logged instead of a path that a caller made up.
UNKNOWN_METHOD = "/unknown/unknown"


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
        """One message in and one message out, on the threads of short calls."""
        behaviour = method.handler.unary_unary
        decode = method.handler.request_deserializer
        encode = method.handler.response_serializer

        def answer(message: bytes, call: Call, context: Any) -> bytes:
            # This repeats `_finishing`, because every check takes this path and a wrapper costs.
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
        """As `unary`, with a limit of calls at a time, and it detects that the caller left."""
        behaviour = method.handler.unary_unary
        decode = method.handler.request_deserializer
        encode = method.handler.response_serializer
        # Each method has its own limit: calls that wait for a demotion must not delay previews.
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

    def require_identified(self, call: Call) -> None:
        """Raises CallEndedError for a caller who may not make this call.

        A transport calls it before it reads the message, so that messages of unidentified callers
        take no memory.
        """
        started = time.perf_counter()
        try:
            with deadline.within(call.seconds_left):
                self._gate.identify(call)
        except Exception as error:
            left = _seconds_left(call, started)
            raise CallEndedError(self._failed(call, started, error, left)) from None

    def stream(self, method: Method) -> Stream:
        """Messages in, out or both; each one is decoded and encoded when it is needed."""
        decode = method.handler.request_deserializer
        encode = method.handler.response_serializer

        def answer(messages: Iterator[bytes], call: Call, context: Context) -> Iterator[bytes]:
            with self._finishing(call, context):
                with deadline.within(call.seconds_left):
                    # The gate comes first, so that unidentified callers cannot use up the slots.
                    self._gate.admit(call)
                with self._streams.slot():
                    replies = self._begin(method, map(decode, messages), call, context)
                    while True:
                        # Set again for each step: between two steps the thread serves others.
                        with deadline.within(context.time_remaining()):
                            reply = next(replies, None)
                        if reply is None:
                            return
                        yield encode(reply)

        return answer

    def _begin(
        self, method: Method, requests: Iterator[Any], call: Call, context: Any
    ) -> Iterator[Any]:
        """Returns the replies of a servicer. One that reads a stream validates each request itself.

        An invalid message need not end its stream: an import rejects the row and continues.
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
            return iter(handler.unary_stream(request, context))

    def refuse_unknown(self, call: Call) -> CallEndedError:
        """Counts and logs a call of an unknown method, and returns what the transport raises."""
        call.method = UNKNOWN_METHOD
        return self.failed(call, Failure(REASON_METHOD_UNKNOWN))

    def failed(self, call: Call, error: Exception) -> CallEndedError:
        """Counts and logs an exception of the transport, and returns what the transport raises."""
        return CallEndedError(self._failed(call, time.perf_counter(), error))

    def _failed(
        self, call: Call, started: float, error: Exception, left: float | None = None
    ) -> grpc.Status:
        """`left` is how many seconds remained until the caller's deadline."""
        failure = as_failure(error)
        if failure.reason == REASON_STORE_UNAVAILABLE:
            if left is not None and left <= _CLOCK_SECONDS:
                # The wait ended with the caller's deadline, which says nothing about the store.
                failure = Failure(REASON_DEADLINE_EXCEEDED)
            else:
                self._gate.availability.call_failed()
        self._telemetry.finished(call, started, failure, error)
        return to_status(failure, call.request_id)

    @contextmanager
    def _finishing(self, call: Call, context: Context) -> Iterator[None]:
        """Counts the call, and ends it with the status of what was raised inside."""
        started = time.perf_counter()
        try:
            yield
        except GeneratorExit:
            self._telemetry.finished(call, started, _why_ended(context))
            raise
        except Exception as error:
            # A local variable for the error would form a cycle with its traceback, which would
            # keep the request in memory.
            status = self._failed(
                call,
                started,
                error if context.is_active() else _why_ended(context),
                context.time_remaining(),
            )
            raise CallEndedError(status) from None
        if context.is_active():
            self._telemetry.finished(call, started)
        else:
            raise CallEndedError(self._failed(call, started, _why_ended(context)))


def _seconds_left(call: Call, started: float) -> float | None:
    """The seconds until the deadline of a call that began at `started`."""
    return None if call.seconds_left is None else call.seconds_left - time.perf_counter() + started


def _why_ended(context: Context) -> Failure:
    """Why a call ended before it was answered."""
    left = context.time_remaining()
    if left is not None and left <= _CLOCK_SECONDS:
        return Failure(REASON_DEADLINE_EXCEEDED)
    return caller_left()
