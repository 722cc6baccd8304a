"""Stands in for all services: answers what a test says and records every call."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from services.access.scopes import descriptor_of
from services.suite import SUITE

SERVED_BY = {
    service.name: [descriptor_of(name) for name in (*service.public, *service.internal)]
    for service in SUITE
}

Answer = Callable[[Any, grpc.ServicerContext], Message | None]


@dataclass(frozen=True)
class Call:
    """What one RPC received from the gateway."""

    rpc: str
    request: Any
    metadata: dict[str, str]
    seconds_left: float


def failing(
    code: grpc.StatusCode, message: str = "", *, reason: str = "ANY", **metadata: str
) -> Answer:
    """An answer with this status and an ErrorInfo, as services send it."""
    status = status_pb2.Status(code=code.value[0], message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="levelgate", metadata=metadata)
    status.details.add().Pack(info)

    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        context.abort_with_status(rpc_status.to_status(status))

    return answer


def bare(code: grpc.StatusCode, message: str) -> Answer:
    """An answer with this status and without details, as Envoy and grpcio send it."""

    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        context.abort(code, message)

    return answer


def slow(seconds: float, *, headers_first: bool = False) -> Answer:
    """An empty answer after this time."""

    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        if headers_first:
            context.send_initial_metadata(())
        time.sleep(seconds)

    return answer


def raising(_request: Any, _context: grpc.ServicerContext) -> None:
    """A bug that no interceptor caught: grpcio sends the exception's text."""
    raise RuntimeError("secret")


def _each(handle: Answer) -> Any:
    def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            yield handle(request, context)

    return answer


@dataclass
class Upstream:
    """One gRPC server for each service, each on its own port."""

    calls: list[Call] = field(default_factory=list)
    answers: dict[str, Answer | Message] = field(default_factory=dict)
    # The messages of a stream after the first one.
    messages: "SimpleQueue[Message]" = field(default_factory=SimpleQueue)
    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[str, grpc.Server] = field(default_factory=dict)
    healths: dict[str, health.HealthServicer] = field(default_factory=dict)

    def start(self) -> None:
        for name in SERVED_BY:
            self._start(name)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop(0).wait()

    def reset(self) -> None:
        self.calls.clear()
        self.answers.clear()
        self.messages = SimpleQueue()

    def set_healthy(self, name: str, healthy: bool) -> None:
        statuses = health_pb2.HealthCheckResponse
        self.healths[name].set("", statuses.SERVING if healthy else statuses.NOT_SERVING)

    def _start(self, name: str) -> None:
        # Without a limit, because the gateway has to refuse messages that are too large.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        server = grpc.server(ThreadPoolExecutor(16), options=options)
        for service in SERVED_BY[name]:
            server.add_generic_rpc_handlers((self._handler(service),))
        self.healths[name] = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.healths[name], server)
        self.ports[name] = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.servers[name] = server

    def _handler(self, service: Any) -> grpc.GenericRpcHandler:
        handlers = {method.name: self._method(method) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _method(self, method: Any) -> Any:
        reply = GetMessageClass(method.output_type)

        def handle(request: Any, context: grpc.ServicerContext) -> Message:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            self.calls.append(Call(method.name, request, metadata, context.time_remaining() or -1))
            answer = self.answers.get(method.name)
            if isinstance(answer, Message):
                return answer
            return (answer and answer(request, context)) or reply()

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
            # One message, and then those of `messages` until the caller leaves.
            yield handle(request, context)
            while context.is_active():
                try:
                    yield self.messages.get(timeout=0.05)
                except Empty:
                    continue

        make: Any = grpc.unary_unary_rpc_method_handler
        behaviour: Any = handle
        if method.server_streaming and method.client_streaming:
            make, behaviour = grpc.stream_stream_rpc_method_handler, _each(handle)
        elif method.server_streaming:
            make, behaviour = grpc.unary_stream_rpc_method_handler, stream
        elif method.client_streaming:
            make = grpc.stream_unary_rpc_method_handler
        return make(
            behaviour,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def received(upstream: Upstream) -> tuple[str, dict[str, object]]:
    """The only call: its RPC, and its fields by their proto names."""
    (call,) = upstream.calls
    fields = {descriptor.name: value for descriptor, value in call.request.ListFields()}
    return call.rpc, fields
