"""The way of a call through a service, told in one place.

context -> errors -> telemetry -> auth -> validation -> servicer: one function instead of a stack
of interceptors, because each wrapper costs every call and hides the order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from services.runtime.auth import Policy
from services.runtime.call import Call, set_current_caller
from services.runtime.errors import as_failure, to_status
from services.runtime.health import StoreWatch
from services.runtime.telemetry import Telemetry
from services.runtime.validation import Validator
from services.store import deadline

if TYPE_CHECKING:
    # The stubs make it generic; grpcio's own class is not.
    Handler = grpc.RpcMethodHandler[Any, Any]

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class Pipeline(grpc.ServerInterceptor):
    """Wraps the methods of the levelgate contracts; health and reflection pass untouched."""

    def __init__(
        self, watch: StoreWatch, policy: Policy, validator: Validator, telemetry: Telemetry
    ) -> None:
        self._watch = watch
        self._policy = policy
        self._validator = validator
        self._telemetry = telemetry
        self._handlers: dict[str, Handler] = {}

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
            behaviour = self._answer(method, handler.unary_unary, self._validator.validate)
            return grpc.unary_unary_rpc_method_handler(behaviour, *serialisation)
        if handler.stream_unary is not None:
            # The servicer validates each message itself: a wrong one must not end the stream.
            behaviour = self._answer(method, handler.stream_unary, lambda _stream: None)
            return grpc.stream_unary_rpc_method_handler(behaviour, *serialisation)
        raise TypeError(f"{method}: the pipeline does not serve calls that answer with a stream")

    def _answer(
        self, method: str, behaviour: Behaviour, validate: Callable[[Any], None]
    ) -> Behaviour:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            started = time.perf_counter()
            call = Call.of(method, context)
            try:
                with deadline.within(call.seconds_left):
                    self._watch.require_available()
                    set_current_caller(self._policy.admit(method, call.authorization))
                    validate(request)
                    reply = behaviour(request, context)
            except Exception as error:
                failure = as_failure(error)
                self._telemetry.finished(call, started, failure, error)
                context.abort_with_status(to_status(failure, call.request_id))
            self._telemetry.finished(call, started)
            return reply

        return answer
