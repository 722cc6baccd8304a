"""The ASGI application that answers streams, long unary calls, health and reflection.

One event loop reads and writes, and never waits for a servicer. Servicers run on a limited number
of threads, and their context tells them when the caller has left. WSGI cannot do that: there, the
generator of a stream continued forever after its caller had left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from services.runtime.admission import thread_pools
from services.runtime.call import CallContext
from services.runtime.envoy_server.built_in import BuiltIn
from services.runtime.envoy_server.exchange import CallerLeftError, Exchange, Receive, Send
from services.runtime.errors import CallEndedError
from services.runtime.methods import Kind, Methods
from services.runtime.pipeline import LongUnary, Pipeline, Stream
from services.runtime.settings import ServerSettings


class LongCalls:
    """Envoy calls it once for each call of these methods."""

    def __init__(
        self, settings: ServerSettings, methods: Methods, pipeline: Pipeline, built_in: BuiltIn
    ) -> None:
        self._streams = {each.path: pipeline.stream(each) for each in methods.of(Kind.STREAM)}
        self._many = {each.path for each in methods.all() if each.handler.request_streaming}
        self._long = {each.path: pipeline.long_unary(each) for each in methods.of(Kind.LONG)}
        self._pipeline = pipeline
        self._built_in = built_in
        self._most = settings.maximum_message_bytes
        self._threads = thread_pools(settings, methods)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self._most)
        path = exchange.call.method
        deadline = _end_at_deadline(exchange.context)
        status: grpc.Status | None = None
        try:
            if path in self._streams:
                await self._stream(exchange, self._streams[path], many=path in self._many)
            elif path in self._long:
                await self._unary(exchange, self._long[path])
            else:
                await self._built_in.answer(exchange)
        except CallerLeftError:
            pass
        except CallEndedError as ended:
            status = ended.status
        except Exception as error:
            status = self._pipeline.failed(exchange.call, error).status
        # Not inside the `except` clause: the traceback would keep the request in memory.
        try:
            if status is not None:
                await exchange.end(status)
        finally:
            exchange.close()
            if deadline is not None:
                deadline.cancel()

    async def _unary(self, exchange: Exchange, answer: LongUnary) -> None:
        threads, call, context = self._threads[Kind.LONG], exchange.call, exchange.context
        await _on(threads, lambda: self._pipeline.require_identified(call))
        read = await exchange.only_packed()
        reply = await _on(threads, lambda: answer(read, call, context))
        await exchange.reply(reply)
        await exchange.end()

    async def _stream(self, exchange: Exchange, answer: Stream, *, many: bool) -> None:
        """`many` says that the request is a stream, too."""
        loop = asyncio.get_running_loop()
        threads = self._threads[Kind.STREAM]
        only = None
        if not many:
            await _on(threads, lambda: self._pipeline.require_identified(exchange.call))
            only = await exchange.only_packed()

        def wait_for(step: Awaitable[Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(_awaited(step), loop).result()

        def messages() -> Iterator[bytes]:
            if only is not None:
                yield only()
                return
            while (message := wait_for(exchange.message())) is not None:
                yield message

        def drive() -> None:
            replies = answer(messages(), exchange.call, exchange.context)
            try:
                for reply in replies:
                    wait_for(exchange.reply(reply))
            finally:
                replies.close()  # type: ignore[attr-defined]

        await _on(threads, drive)
        await exchange.end()


async def _on(threads: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(threads, work)


async def _awaited(step: Awaitable[Any]) -> Any:
    return await step


def _end_at_deadline(context: CallContext) -> asyncio.TimerHandle | None:
    left = context.time_remaining()
    if left is None:
        return None
    return asyncio.get_running_loop().call_later(left, context.end)
