"""Serves the methods of a service by grpcio's synchronous server.

For interpreters without a shared libpython, and as the fallback from the server inside Envoy. It
offers less: a call whose message never comes occupies a thread, and grpcio refuses a message or a
call over the limit before the pipeline sees it (docs/adr/0010-server-inside-envoy.md).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from services.runtime.admission import thread_pools
from services.runtime.call import Call
from services.runtime.errors import CallEndedError
from services.runtime.methods import Kind, Method, Methods
from services.runtime.pipeline import Pipeline
from services.runtime.settings import ServerSettings

# How long a connection that has reached its maximum age may still finish its calls, in
# milliseconds.
_CONNECTION_AGE_GRACE = 30_000

# A grpc.RpcMethodHandler, which only grpcio's stubs make generic.
Handler = Any


class GrpcioServer:
    """A transport: see services/runtime/service.py."""

    name = "grpcio"

    def __init__(self, settings: ServerSettings, methods: Methods, pipeline: Pipeline) -> None:
        """Raises RuntimeError if it cannot listen on the port."""
        self._server = grpc.server(
            ThreadPoolExecutor(settings.threads, thread_name_prefix="call"),
            maximum_concurrent_rpcs=settings.maximum_concurrent_rpcs,
            options=[
                # A second process on the port must fail, and not take half of the load silently.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", settings.maximum_message_bytes),
                ("grpc.max_connection_age_ms", settings.connection_age_seconds * 1_000),
                ("grpc.max_connection_age_grace_ms", _CONNECTION_AGE_GRACE),
                # The gateway and our client send keepalives on idle connections.
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ],
        )
        handlers = _Handlers(settings, methods, pipeline)
        self._server.add_generic_rpc_handlers((handlers,))
        self._server.add_insecure_port(settings.endpoint)

    def start(self) -> None:
        self._server.start()

    def stop(self, grace: float) -> None:
        self._server.stop(grace).wait()


class _Handlers(grpc.GenericRpcHandler):
    """Finds the handler of a call: the pipeline, on the threads for the kind of method."""

    def __init__(self, settings: ServerSettings, methods: Methods, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._threads = thread_pools(settings, methods)
        self._handlers = {each.path: each.handler for each in methods.of(Kind.BUILT_IN)}
        for method in methods.of(Kind.SHORT, Kind.LONG, Kind.STREAM):
            self._handlers[method.path] = self._handler(method)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        found = self._handlers.get(handler_call_details.method)
        return found or grpc.unary_unary_rpc_method_handler(self._refuse_unknown)

    def _refuse_unknown(self, _message: bytes, context: grpc.ServicerContext) -> bytes:
        status = self._pipeline.refuse_unknown(Call.of("", context)).status
        return context.abort_with_status(status)

    def _handler(self, method: Method) -> Handler:
        # Without a (de)serializer grpcio passes bytes, which the pipeline decodes.
        if method.kind is Kind.SHORT:
            answer = _aborting(method.path, self._pipeline.unary(method))
            return grpc.unary_unary_rpc_method_handler(answer)
        if method.kind is Kind.LONG:
            long = self._pipeline.long_unary(method)

            def answer_long(message: bytes, call: Call, context: Any) -> bytes:
                return long(lambda: message, call, context)

            answer = self._on_threads(method, _aborting(method.path, answer_long))
            return grpc.unary_unary_rpc_method_handler(answer)
        stream = _aborting_stream(method.path, self._pipeline.stream(method))
        match method.handler.request_streaming, method.handler.response_streaming:
            case True, True:
                answer = self._on_threads(method, stream)
                return grpc.stream_stream_rpc_method_handler(answer)
            case True, False:
                answer = self._on_threads(method, _only_reply(stream))
                return grpc.stream_unary_rpc_method_handler(answer)
            case _:
                answer = self._on_threads(method, stream)
                return grpc.unary_stream_rpc_method_handler(answer)

    def _on_threads(self, method: Method, answer: Any) -> Callable[..., Any]:
        # grpcio's own way to do this; it has been called experimental since 2018.
        answer.experimental_thread_pool = self._threads[method.kind]
        return answer  # type: ignore[no-any-return]


def _aborting(path: str, answer: Callable[..., bytes]) -> Callable[..., bytes]:
    def abort_if_failed(message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return answer(message, Call.of(path, context), context)
        except CallEndedError as ended:
            return context.abort_with_status(ended.status)

    return abort_if_failed


def _aborting_stream(path: str, answer: Callable[..., Iterator[bytes]]) -> Callable[..., Any]:
    def abort_if_failed(messages: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        stream = iter([messages]) if isinstance(messages, bytes) else messages
        try:
            yield from answer(stream, Call.of(path, context), context)
        except CallEndedError as ended:
            context.abort_with_status(ended.status)

    return abort_if_failed


def _only_reply(stream: Callable[..., Iterator[bytes]]) -> Callable[..., bytes]:
    def answer(messages: Any, context: grpc.ServicerContext) -> bytes:
        (reply,) = stream(messages, context)
        return reply

    return answer
