"""Health and reflection, which the event loop answers from memory.

Callers need no token for them, so none of their calls may occupy a thread.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from levelgate.access.v1.reason_pb2 import REASON_TOO_MANY_STREAMS
from services.runtime.envoy_server.exchange import Exchange
from services.runtime.errors import Failure
from services.runtime.methods import Method
from services.runtime.pipeline import Pipeline

_WATCH = "/grpc.health.v1.Health/Watch"
# Each stream is a task of some kilobytes, and needs no token.
_MOST_STREAMS = 1_024
# A client of reflection asks for some dozens of files, and each answer may have 50 kB.
_MOST_REFLECTION_REQUESTS = 200
_SILENT_SECONDS = 30.0


class BuiltIn:
    """The methods of grpc_health and grpc_reflection. They are not counted and not logged."""

    def __init__(
        self, methods: Iterable[Method], pipeline: Pipeline, services: Iterable[str]
    ) -> None:
        """`services` are the names that health knows."""
        self._methods = {method.path: method for method in methods}
        self._pipeline = pipeline
        self._services = frozenset(("", *services))
        # By method, so that streams of reflection leave room for watches of health.
        self._streams: dict[str, set[asyncio.Event]] = {path: set() for path in self._methods}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def answer(self, exchange: Exchange) -> None:
        """Raises Failure, CallEndedError and CallerLeftError."""
        self._loop = asyncio.get_running_loop()
        method = self._methods.get(exchange.call.method)
        if method is None:
            raise self._pipeline.refuse_unknown(exchange.call)
        if not method.handler.response_streaming:
            await self._unary(method, exchange)
        elif len(self._streams[method.path]) >= _MOST_STREAMS:
            message = f"this instance has {_MOST_STREAMS} streams of this method open"
            raise Failure(REASON_TOO_MANY_STREAMS, message)
        else:
            await self._stream_until_closed(method, exchange)

    def close(self) -> None:
        """Ends all open streams. Any thread may call this."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        for streams in self._streams.values():
            for closing in streams:
                closing.set()

    async def _unary(self, method: Method, exchange: Exchange) -> None:
        handler = method.handler
        request = handler.request_deserializer(await exchange.only_message())
        reply = handler.unary_unary(request, exchange.context)
        if exchange.context.code is grpc.StatusCode.OK:
            await exchange.reply(handler.response_serializer(reply))
            await exchange.end()
        else:
            await exchange.end(_Status(exchange.context.code, "unknown service", None))

    async def _stream_until_closed(self, method: Method, exchange: Exchange) -> None:
        closing = asyncio.Event()
        self._streams[method.path].add(closing)
        stream = self._watch if method.path == _WATCH else self._reflect
        tasks = [
            asyncio.create_task(stream(method, exchange)),
            asyncio.create_task(closing.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            self._streams[method.path].discard(closing)
            for task in tasks:
                task.cancel()
        await exchange.end()

    async def _watch(self, method: Method, exchange: Exchange) -> None:
        """Sends the status of a service whenever it changes."""
        handler = method.handler
        request = handler.request_deserializer(await exchange.only_message())
        if request.service not in self._services:
            # The servicer would store every name that callers make up.
            request = health_pb2.HealthCheckRequest(service="unknown")
        loop = asyncio.get_running_loop()
        statuses: asyncio.Queue[Any] = asyncio.Queue()

        def put(status: Any) -> None:
            loop.call_soon_threadsafe(statuses.put_nowait, status)

        if not exchange.context.is_active():
            # The servicer would wait forever for the end of a call whose deadline has passed.
            return
        handler.unary_stream(request, exchange.context, put)
        # None means that the call has ended.
        while (status := await statuses.get()) is not None:
            await exchange.reply(handler.response_serializer(status))

    async def _reflect(self, method: Method, exchange: Exchange) -> None:
        """Answers each message separately, because no answer depends on an earlier message."""
        handler = method.handler
        for _ in range(_MOST_REFLECTION_REQUESTS):
            message = await exchange.message(_SILENT_SECONDS)
            if message is None:
                return
            request = handler.request_deserializer(message)
            for reply in handler.stream_stream(iter([request]), exchange.context):
                await exchange.reply(handler.response_serializer(reply))


class _Status(grpc.Status):
    def __init__(self, code: grpc.StatusCode, details: str, metadata: Any) -> None:
        self.code, self.details, self.trailing_metadata = code, details, metadata
