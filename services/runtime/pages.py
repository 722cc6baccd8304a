"""What a service shows over HTTP, on its metrics port: /metrics, and /healthz for cheap probes.

A gRPC probe in Python costs 0.3 s of CPU each time, for its imports. This one asks over a channel
that stays open, and through the port that callers use: a service that no longer answers there is
not healthy, whatever it thinks of itself.
"""

import asyncio
import socket
import sys
import threading
from asyncio import StreamReader, StreamWriter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from services.runtime.settings import ServerSettings

_TEXT = "text/plain; charset=utf-8"
_PATHS = ("/metrics", "/healthz")
# Who connects and sends nothing, or takes no answer, is not waited for any longer.
_SOCKET_SECONDS = 5
_HEALTH_SECONDS = 1.0
# One more ends the oldest of them: it may be half open, and a probe must come through.
_MOST_CONNECTIONS = 256
_LONGEST_REQUEST = 8_192

_STATUSES = health_pb2.HealthCheckResponse.ServingStatus


class _Page(NamedTuple):
    status: HTTPStatus
    text: bytes
    content_type: str = _TEXT


_NOT_FOUND = _Page(HTTPStatus.NOT_FOUND, b"/metrics and /healthz are here\n")
_BROKEN = _Page(HTTPStatus.INTERNAL_SERVER_ERROR, b"this page is broken; the log says why\n")


def serve(settings: ServerSettings, registry: CollectorRegistry) -> None:
    """Shows the pages; a port that is taken ends the process with one line."""
    # Asked before the service listens, it must not wait for long until it is asked again.
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1_000)]
    channel = grpc.insecure_channel(settings.endpoint, options)
    address, port = settings.address, settings.metrics_port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.create_server((address, port), family=family)
    except OSError as error:
        sys.exit(f"cannot show metrics on {address}:{port}: {error.strerror}")
    pages = _Pages(registry, HealthStub(channel))
    run = asyncio.run
    threading.Thread(target=lambda: run(pages.serve(listening)), name="pages", daemon=True).start()


class _Pages:
    """Half a request costs some kilobytes for some seconds, and no thread."""

    def __init__(self, registry: CollectorRegistry, health: Any) -> None:
        self._registry = registry
        self._health = health
        self._threads = ThreadPoolExecutor(len(_PATHS), "page")
        self._made: dict[str, asyncio.Future[_Page]] = {}
        # Whether the request of a connection is complete; the oldest connection first.
        self._open: dict[StreamWriter, bool] = {}

    async def serve(self, listening: socket.socket) -> None:
        server = await asyncio.start_server(self._answer, sock=listening, limit=_LONGEST_REQUEST)
        await server.serve_forever()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        if len(self._open) >= _MOST_CONNECTIONS:
            halves = (each for each, is_complete in self._open.items() if not is_complete)
            oldest = next(halves, next(iter(self._open)))
            self._close(oldest)
        self._open[writer] = False
        # What a caller does wrong, and that it left, is nothing to be logged.
        with suppress(OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_SOCKET_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
            self._open[writer] = True
            page = await self._page(target.partition("?")[0])
            async with asyncio.timeout(_SOCKET_SECONDS):
                writer.write(_response(page, has_body=method != "HEAD"))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        self._close(writer)

    def _close(self, writer: StreamWriter) -> None:
        self._open.pop(writer, None)
        writer.transport.abort()

    async def _page(self, path: str) -> _Page:
        """The page; those who want it while it is made get the same one."""
        if path not in _PATHS:
            return _NOT_FOUND
        if path not in self._made:
            making = self._metrics if path == "/metrics" else self._healthz
            loop = asyncio.get_running_loop()
            self._made[path] = loop.run_in_executor(self._threads, making)
            self._made[path].add_done_callback(lambda _: self._made.pop(path))
        try:
            return await asyncio.shield(self._made[path])
        except Exception as error:
            structlog.get_logger().error("page failed", page=path, exc_info=error)
            return _BROKEN

    def _metrics(self) -> _Page:
        return _Page(HTTPStatus.OK, generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def _healthz(self) -> _Page:
        try:
            request = health_pb2.HealthCheckRequest()
            reply = self._health.Check(request, timeout=_HEALTH_SECONDS)
            status = _STATUSES.Name(reply.status)
        except grpc.RpcError as error:
            status = str(error.code().name)
        is_serving = status == "SERVING"
        code = HTTPStatus.OK if is_serving else HTTPStatus.SERVICE_UNAVAILABLE
        return _Page(code, f"{status}\n".encode())


def _response(page: _Page, *, has_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n"
        f"Content-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.text)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (page.text if has_body else b"")
